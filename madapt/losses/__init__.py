"""Losses on prefix cosines: each returns its value and its analytic gradient."""

from madapt.losses.listwise import graded_listwise_loss, listwise_loss
from madapt.losses.objective import Objective
from madapt.losses.pairwise import pairwise_loss
from madapt.losses.prediction import prediction_loss
from madapt.losses.ranking import ranking_loss
from madapt.losses.reconstruction import reconstruction_loss
from madapt.losses.topk import neighbor_pairs, topk_loss

__all__ = [
    "Objective",
    "graded_listwise_loss",
    "listwise_loss",
    "neighbor_pairs",
    "pairwise_loss",
    "prediction_loss",
    "ranking_loss",
    "reconstruction_loss",
    "topk_loss",
]
