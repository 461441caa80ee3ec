"""Metrics, the curves of dims and of bytes, and their pictures."""

from madapt.evaluation.byte_curve import best_setting, byte_curve
from madapt.evaluation.curve import dimension_curve
from madapt.evaluation.displays import ByteCurveDisplay, DimensionCurveDisplay
from madapt.evaluation.loss_curve import LossCurveDisplay
from madapt.evaluation.metrics import ndcg_at_k, recall_at_k
from madapt.evaluation.retrieval import retrieval_scores
from madapt.evaluation.scorer import RetrievalScorer
from madapt.evaluation.similarity import SimilarityDisplay

__all__ = [
    "ByteCurveDisplay",
    "DimensionCurveDisplay",
    "LossCurveDisplay",
    "RetrievalScorer",
    "SimilarityDisplay",
    "best_setting",
    "byte_curve",
    "dimension_curve",
    "ndcg_at_k",
    "recall_at_k",
    "retrieval_scores",
]
