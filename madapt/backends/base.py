"""What a backend must offer."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Backend"]


class Backend:
    """Where arrays live and products run.

    Subclass it and set `name` and `xp`; override a method only where there is something
    better than the plain array code.

    Attributes
    ----------
    name : str
        What users write in ``backend=``.
    xp : module
        An array-API namespace.
    """

    name: str
    xp: Any

    def asarray(self, X: Any) -> Any:
        """Return a NumPy array as one of this backend's, same shape and dtype."""
        return self.xp.asarray(X)

    def to_numpy(self, X: Any) -> np.ndarray:
        """Return one of this backend's arrays as a NumPy array."""
        return np.asarray(X)
