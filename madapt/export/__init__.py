"""A fitted adaptor in the files and objects of other programs; nothing in them is executed."""

from madapt.export.dense import to_sentence_transformers
from madapt.export.matrix import to_faiss, to_npy
from madapt.export.onnx_graph import to_onnx

__all__ = ["to_faiss", "to_npy", "to_onnx", "to_sentence_transformers"]
