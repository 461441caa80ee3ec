"""Which backends there are, and which one a name stands for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import EntryPoint, entry_points

from madapt.backends.base import Backend
from madapt.backends.numpy import NumpyBackend
from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["available", "get_backend", "register"]

_GROUP = "madapt.backends"


def _numba() -> Backend:
    """Import Numba only when somebody wants it."""
    from madapt.backends.numba import NumbaBackend

    return NumbaBackend()


def _cupy() -> Backend:
    """Import CuPy only when somebody wants it."""
    from madapt.backends.cupy import CupyBackend

    return CupyBackend()


_makers: dict[str, Callable[[], Backend]] = {
    "cupy": _cupy,
    "numba": _numba,
    "numpy": NumpyBackend,
}
#: Tried in this order by "auto".
_preferred = ("numba", "numpy")


def register(name: str, maker: Callable[[], Backend]) -> None:
    """Add a backend, or replace one.

    A package can also name its maker as an entry point of the group ``madapt.backends``.

    Parameters
    ----------
    name : str
        What users will write in ``backend=``; not "auto".
    maker : callable
        Takes nothing and returns a `Backend`; raises ImportError, with what is missing,
        where it cannot run.

    Raises
    ------
    TypeError
        If name is not text or maker is not callable.
    ValueError
        If name is "auto".
    """
    if not isinstance(name, str) or not callable(maker):
        raise InvalidTypeError(f"register needs a name and a callable, got {name!r}, {maker!r}")
    if name == "auto":
        raise InvalidValueError('name must not be "auto", which picks among the others')
    _makers[name] = maker


def available() -> dict[str, str]:
    """Say of each backend whether it can run.

    Returns
    -------
    dict of str to str
        Name -> "available", or the reason why not.

    Examples
    --------
    >>> from madapt.backends import available
    >>> available()["numpy"]
    'available'
    """
    found = {}
    for name, maker in _all_makers().items():
        try:
            maker()
            found[name] = "available"
        except Exception as error:  # a broken third party must not hide the others
            found[name] = f"{type(error).__name__}: {error}"
    return found


def get_backend(name: str = "auto") -> Backend:
    """Return the backend of that name; "auto" picks the fastest one that can run.

    Raises
    ------
    ValueError
        If there is no such backend, or it cannot run here; the message says why.
    """
    makers = _all_makers()
    if name == "auto":
        for preferred in _preferred:
            try:
                return makers[preferred]()
            except ImportError:
                continue
    if not isinstance(name, str) or name not in makers:
        listed = ", ".join(repr(known) for known in ("auto", *makers))
        raise InvalidValueError(f"backend must be one of {listed}, got {name!r}")
    try:
        return makers[name]()
    except ImportError as error:
        raise InvalidValueError(f"backend {name!r} cannot run here: {error}") from error


def _all_makers() -> dict[str, Callable[[], Backend]]:
    """Return registered makers and those of entry points, loaded only when made."""
    makers = dict(_makers)
    for entry in entry_points(group=_GROUP):
        makers.setdefault(entry.name, partial(_load, entry))
    return makers


def _load(entry: EntryPoint) -> Backend:
    backend: Backend = entry.load()()
    return backend
