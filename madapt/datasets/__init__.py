"""Collections to try madapt on: one inside the package, others from a folder."""

from madapt.datasets.beir import load_beir
from madapt.datasets.cranfield import load_cranfield

__all__ = ["load_beir", "load_cranfield"]
