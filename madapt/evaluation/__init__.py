"""Metrics, the dimension curve and its picture."""

from madapt.evaluation.curve import dimension_curve
from madapt.evaluation.displays import DimensionCurveDisplay
from madapt.evaluation.metrics import ndcg_at_k, recall_at_k
from madapt.evaluation.retrieval import retrieval_scores

__all__ = [
    "DimensionCurveDisplay",
    "dimension_curve",
    "ndcg_at_k",
    "recall_at_k",
    "retrieval_scores",
]
