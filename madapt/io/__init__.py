"""Embeddings in files: read row by row, and transformed whatever their size."""

from madapt.io.embeddings import Embeddings
from madapt.io.opening import open_embeddings
from madapt.io.transforming import TransformedFile, transform_file

__all__ = ["Embeddings", "TransformedFile", "open_embeddings", "transform_file"]
