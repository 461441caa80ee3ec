"""Other ways to shorten an embedding, to measure against: all with `transform(X, dim=)`."""

from madapt.baselines.pca import PCAReducer
from madapt.baselines.random_rotation import RandomRotation
from madapt.baselines.search_adaptor import SearchAdaptor
from madapt.baselines.svd import SVDRotation
from madapt.baselines.truncation import Truncation

__all__ = ["PCAReducer", "RandomRotation", "SVDRotation", "SearchAdaptor", "Truncation"]
