"""The adaptor on Dask arrays: lazy `transform`, and `fit` on rows that no machine holds alone."""

from madapt.dask._estimator import DaskMatryoshkaAdaptor

__all__ = ["DaskMatryoshkaAdaptor"]
