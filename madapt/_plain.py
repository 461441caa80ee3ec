"""Values as JSON beside named arrays, and back to the last digit; no code travels with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from madapt.exceptions import InvalidTypeError

__all__ = ["Decoder", "Encoder"]

#: Numbers an array or a scalar may be of.
_NUMBERS = frozenset(
    ["bool", "float16", "float32", "float64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)
_WANTED = (
    "None, bool, int, float, str, a RandomState, NumPy scalars and arrays of numbers or of text, "
    "and lists, tuples, ranges and dicts of these"
)


class Encoder:
    """Turns values into what JSON holds exactly, and keeps arrays of numbers aside.

    Parameters
    ----------
    classes : mapping of str to type
        Dataclasses that may be among the values, by the name they are stored under; what else
        can be called makes values of names that are only read.

    Attributes
    ----------
    arrays : dict of str to ndarray
        What was kept aside, in C order and this machine's byte order, by the name of the value.

    Notes
    -----
    What JSON has no word for is a dict with one key that begins with "$": a tuple is
    ``{"$tuple": [...]}``, an array ``{"$array": name}``. An array in Fortran order is stored
    as its transpose, ``{"$transposed": name}``: a product's last digits can depend on it.

    Examples
    --------
    >>> from madapt._plain import Decoder, Encoder
    >>> encoder = Encoder({})
    >>> plain = encoder({"dims": (8, 16), "rate": np.float32(0.1)}, "parameters")
    >>> plain["dims"]
    {'$tuple': [8, 16]}
    >>> Decoder({}, encoder.arrays)(plain)
    {'dims': (8, 16), 'rate': np.float32(0.1)}
    """

    def __init__(self, classes: Mapping[str, Callable[..., Any]]) -> None:
        self.names = {kind: name for name, kind in classes.items()}
        self.arrays: dict[str, np.ndarray] = {}

    def __call__(self, value: Any, name: str) -> Any:
        """Return value for JSON.

        Parameters
        ----------
        value : object
            Subclasses of what can be stored cannot: they might not come back as they were.
        name : str
            What it is called in errors, and its arrays.

        Raises
        ------
        InvalidTypeError
            If it, or anything within it, is of a type that cannot be stored exactly.
        """
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if np.isfinite(value) else {"$float": repr(value)}
        if kind is list:
            return self._items(value, name)
        if kind is tuple:
            return {"$tuple": self._items(value, name)}
        if kind is range:
            return {"$range": [value.start, value.stop, value.step]}
        if kind is dict:
            return self._dict(value, name)
        if kind in self.names:
            found = {f.name: getattr(value, f.name) for f in fields(value)}
            return {f"${self.names[kind]}": self._dict(found, name)}
        if kind is np.random.RandomState:
            return self._random_state(value, name)
        return self._numpy(value, name)

    def _items(self, values: Any, name: str) -> list[Any]:
        return [self(value, f"{name}.{i}") for i, value in enumerate(values)]

    def _dict(self, value: dict[Any, Any], name: str) -> dict[str, Any]:
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {key: self(item, f"{name}.{key}") for key, item in value.items()}
        pairs = [
            [self(key, f"a key of {name}"), self(item, f"{name}.{key}")]
            for key, item in value.items()
        ]
        return {"$dict": pairs}

    def _random_state(self, value: np.random.RandomState, name: str) -> dict[str, Any]:
        state = value.get_state(legacy=False)
        if state["bit_generator"] != "MT19937":
            raise _cannot_store(name, f"a RandomState of {state['bit_generator']}")
        return {"$RandomState": self._dict(state, name)}

    def _numpy(self, value: Any, name: str) -> dict[str, Any]:
        if type(value) is np.str_:
            return {"$str": str(value)}
        if isinstance(value, np.generic) and value.dtype.name in _NUMBERS:
            return {"$scalar": [value.dtype.name, self(value.item(), name)]}
        if type(value) not in (np.ndarray, np.memmap):
            raise _cannot_store(name, repr(value))
        if value.dtype.name in _NUMBERS:
            transposed = value.flags.f_contiguous and not value.flags.c_contiguous
            word = "$transposed" if transposed else "$array"
            return {word: self._keep(value.T if transposed else value, name)}
        texts = value.ravel().tolist()
        if value.dtype.kind not in "OU" or not all(type(text) is str for text in texts):
            raise _cannot_store(name, f"an array of {value.dtype}")
        dtype = value.dtype.newbyteorder("<").str
        return {"$text": [texts, list(value.shape), dtype]}

    def _keep(self, array: np.ndarray, name: str) -> str:
        while name in self.arrays:
            name += "'"
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        self.arrays[name] = np.asarray(native, order="C")
        return name


@dataclass(frozen=True)
class Decoder:
    """Turns what an `Encoder` made back.

    Parameters
    ----------
    classes : mapping of str to type
        As the encoder's; no others are made.
    arrays : mapping of str to ndarray
        What it kept aside.
    """

    classes: Mapping[str, Callable[..., Any]]
    arrays: Mapping[str, np.ndarray]

    def __call__(self, plain: Any) -> Any:
        """Return the value.

        Raises
        ------
        LookupError, TypeError, ValueError
            If no encoder made this.
        """
        if isinstance(plain, list):
            return [self(item) for item in plain]
        if not isinstance(plain, dict):
            return plain
        words = [key for key in plain if key.startswith("$")]
        if not words:
            return {key: self(item) for key, item in plain.items()}
        ((word, content),) = plain.items()
        if word[1:] in self.classes:
            return self.classes[word[1:]](**self(content))
        return _MEANINGS[word](self, content)


def _random_state(decoder: Decoder, content: Any) -> np.random.RandomState:
    state = np.random.RandomState()
    state.set_state(decoder(content))
    return state


def _scalar(decoder: Decoder, content: Any) -> Any:
    name, value = content
    if name not in _NUMBERS:
        raise ValueError(f"there is no scalar {name!r}")
    return np.dtype(name).type(decoder(value))


def _text(decoder: Decoder, content: Any) -> np.ndarray:
    texts, shape, dtype = content
    if np.dtype(dtype).kind not in "OU" or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"there is no text of {dtype!r}")
    return np.array(texts, dtype=np.dtype(dtype).newbyteorder("=")).reshape(shape)


_MEANINGS: Mapping[str, Callable[[Decoder, Any], Any]] = {
    "$float": lambda decoder, content: float(content),
    "$tuple": lambda decoder, content: tuple(decoder(content)),
    "$range": lambda decoder, content: range(*content),
    "$dict": lambda decoder, content: {decoder(key): decoder(item) for key, item in content},
    "$RandomState": _random_state,
    "$str": lambda decoder, content: np.str_(content),
    "$scalar": _scalar,
    "$text": _text,
    # Copies: what the file was read into is read-only, and lies at any address.
    "$array": lambda decoder, content: np.array(decoder.arrays[content]),
    "$transposed": lambda decoder, content: np.array(decoder.arrays[content]).T,
}


def _cannot_store(name: str, got: str) -> InvalidTypeError:
    return InvalidTypeError(f"{name} cannot be saved: it must be one of {_WANTED}, got {got}")
