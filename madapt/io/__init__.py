"""Embeddings in files, read row by row."""

from madapt.io.embeddings import Embeddings
from madapt.io.opening import open_embeddings

__all__ = ["Embeddings", "open_embeddings"]
