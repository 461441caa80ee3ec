"""madapt makes any embedding Matryoshka: its first m coordinates serve as well as all did."""

from madapt._corpus import Corpus
from madapt.estimator import MatryoshkaAdaptor
from madapt.evaluation import RetrievalScorer
from madapt.exceptions import (
    InvalidFileError,
    InvalidTypeError,
    InvalidValueError,
    MadaptError,
    MadaptWarning,
)

__all__ = [
    "Corpus",
    "InvalidFileError",
    "InvalidTypeError",
    "InvalidValueError",
    "MadaptError",
    "MadaptWarning",
    "MatryoshkaAdaptor",
    "RetrievalScorer",
    "__version__",
]

__version__ = "0.1.0"
