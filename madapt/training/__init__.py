"""Training: stages, loop, optimisers, sampling, early stopping and the guard."""

from madapt.training.data import Fit, HeldOutScores, TrainingData
from madapt.training.first_stage import Trainer, trainer_here
from madapt.training.guard import neighbor_overlap, query_ndcg
from madapt.training.preparation import prepare
from madapt.training.progress import Watcher, printer
from madapt.training.settings import Settings, StageSettings
from madapt.training.stages import fit_adaptor
from madapt.training.stream import Stream, learn_from_stream

__all__ = [
    "Fit",
    "HeldOutScores",
    "Settings",
    "StageSettings",
    "Stream",
    "Trainer",
    "TrainingData",
    "Watcher",
    "fit_adaptor",
    "learn_from_stream",
    "neighbor_overlap",
    "prepare",
    "printer",
    "query_ndcg",
    "trainer_here",
]
