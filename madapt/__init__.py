"""madapt makes any embedding Matryoshka: its first m coordinates serve as well as all did."""

from madapt.estimator import MatryoshkaAdaptor
from madapt.exceptions import (
    InvalidFileError,
    InvalidTypeError,
    InvalidValueError,
    MadaptError,
    MadaptWarning,
)

__all__ = [
    "InvalidFileError",
    "InvalidTypeError",
    "InvalidValueError",
    "MadaptError",
    "MadaptWarning",
    "MatryoshkaAdaptor",
    "__version__",
]

__version__ = "0.1.0"
