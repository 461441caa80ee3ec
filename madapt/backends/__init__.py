"""Backends: where arrays live and products run."""

from madapt.backends.base import Backend
from madapt.backends.registry import available, get_backend, register

__all__ = ["Backend", "available", "get_backend", "register"]
