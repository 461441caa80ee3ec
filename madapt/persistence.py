"""One file for a fitted adaptor: safetensors, checked as a whole, with nothing to execute."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from sklearn.utils.validation import check_is_fitted

from madapt._first_codes import FirstQuantizer, quantizer_of_format_1
from madapt._plain import Decoder, Encoder
from madapt._replacing import as_path, replace_file
from madapt._vector_check import VectorStatistics
from madapt.adaptor import ResidualAdaptor
from madapt.exceptions import InvalidFileError
from madapt.quantization import Quantizer
from madapt.recommendation import DimRecommendation
from madapt.training import HeldOutScores, Stream

__all__ = ["FORMAT", "PersistenceMixin", "written_by"]

#: The newest format of files there is; raised when an older madapt would misread a file.
FORMAT = 2

#: Classes that an estimator's parameters and attributes are made of. Names stay, as files do.
_CLASSES: Mapping[str, Callable[..., Any]] = {
    "ResidualAdaptor": ResidualAdaptor,
    "Quantizer": quantizer_of_format_1,
    "FirstQuantizer": FirstQuantizer,
    "CenteredQuantizer": Quantizer,
    "HeldOutScores": HeldOutScores,
    "DimRecommendation": DimRecommendation,
    "VectorStatistics": VectorStatistics,
    "Stream": Stream,
}
#: The one private attribute that goes with a model: what `set_output` chose.
_OUTPUT = "_sklearn_output_config"
#: safetensors' own limit for the header.
_LONGEST_HEADER = 100_000_000
_NO_CHECKSUM = "0" * 64


class PersistenceMixin:
    """The methods `save` and `load` of an estimator whose attributes are plain."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one file that `load` reads.

        Parameters
        ----------
        path : str or path
            ``.safetensors`` is its customary suffix. What is there is replaced in one step: a
            process that is killed at any moment leaves the old file or the new one, whole.

        Raises
        ------
        TypeError
            If a parameter is of a type that the file cannot hold exactly, a callable for
            instance; before anything is written.
        sklearn.exceptions.NotFittedError
            If there is nothing to save yet.
        OSError
            If the file cannot be written; the old one is as it was.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from madapt import MatryoshkaAdaptor
        >>> from madapt.datasets import load_cranfield
        >>> corpus = load_cranfield().corpus
        >>> adaptor = MatryoshkaAdaptor(max_iter=1, random_state=0).fit(corpus)
        >>> with TemporaryDirectory() as folder:
        ...     adaptor.save(Path(folder) / "adaptor.safetensors")
        ...     loaded = MatryoshkaAdaptor.load(Path(folder) / "adaptor.safetensors")
        >>> loaded.fingerprint_ == adaptor.fingerprint_
        True
        >>> bool((loaded.transform(corpus, dim=64) == adaptor.transform(corpus, dim=64)).all())
        True
        """
        path = as_path(path)
        check_is_fitted(self)
        estimator: Any = self
        parameters = estimator.get_params(deep=False)
        attributes = {
            name: value
            for name, value in vars(self).items()
            if name not in parameters and (name == _OUTPUT or not name.startswith("_"))
        }
        replace_file(path, _packed(type(self).__name__, parameters, attributes))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote, on any machine; nothing in the file is executed.

        Parameters
        ----------
        path : str or path
            A file of this version of madapt or an earlier one.

        Returns
        -------
        MatryoshkaAdaptor
            With the same parameters and fitted attributes: `transform` gives the same bits on
            the same machine. Of a subclass where it is called on one.

        Raises
        ------
        madapt.exceptions.InvalidFileError
            A ValueError: the file is none of madapt's, is not whole, was altered, or needs a
            newer madapt; the message has the path and the reason.
        OSError
            If it cannot be read.
        """
        path = as_path(path)
        try:
            return cls._restored(*_unpacked(path))
        except InvalidFileError as error:
            raise InvalidFileError(f"{path} cannot be loaded: {error}") from error.__cause__

    @classmethod
    def _restored(cls, content: dict[str, Any], decoder: Decoder) -> Self:
        """Return the estimator of a file's content."""
        source = f"{content['class']} of madapt {content['madapt']}"
        try:
            parameters, attributes = decoder(content["parameters"]), decoder(content["attributes"])
            known: Any = cls
            unknown = sorted(parameters.keys() - set(known._get_param_names()))
            unknown += [name for name in attributes if not _may_be_attribute(cls, name)]
            if not unknown:
                estimator = cls(**parameters)
                vars(estimator).update(attributes)
                return estimator
        except Exception as error:
            raise InvalidFileError(f"it holds what no {source} does ({error!r})") from error
        raise InvalidFileError(
            f"it is a {source}, whose {', '.join(unknown)} the {cls.__name__} here does not have"
        )


def written_by(path: str | os.PathLike[str]) -> tuple[str, int]:
    """Return which madapt wrote a file, and the format of the file.

    Parameters
    ----------
    path : str or path
        A file that `save` wrote.

    Raises
    ------
    madapt.exceptions.InvalidFileError
        As `load` does.
    """
    content, _ = _unpacked(as_path(path))
    return str(content["madapt"]), int(content["format"])


def _may_be_attribute(cls: type, name: str) -> bool:
    """Return whether a file may set it: no method, no property, nothing private."""
    there = getattr(cls, name, None)
    taken = callable(there) or isinstance(there, property)
    return name == _OUTPUT or not (taken or name.startswith("_"))


def _packed(kind: str, parameters: dict[str, Any], attributes: dict[str, Any]) -> bytes:
    """Return the bytes of a file: the same for the same model."""
    from safetensors.numpy import save

    from madapt import __version__

    encoder = Encoder(_CLASSES)
    content = {
        "checksum": f"sha256:{_NO_CHECKSUM}",
        "format": FORMAT,
        "madapt": __version__,
        "class": kind,
        "parameters": {name: encoder(value, name) for name, value in parameters.items()},
        "attributes": {name: encoder(value, name) for name, value in attributes.items()},
    }
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    data = save(encoder.arrays, {"madapt": text})
    return data.replace(_quoted(_NO_CHECKSUM), _quoted(hashlib.sha256(data).hexdigest()), 1)


def _unpacked(path: Path) -> tuple[dict[str, Any], Decoder]:
    """Return a file's content, checked, and what makes values of it."""
    from safetensors.numpy import load

    with path.open("rb") as file:
        length = file.read(8)
        n = int.from_bytes(length, "little")
        # Nothing else is read of a file that is not ours, however large it is.
        header = file.read(n) if 2 <= n <= _LONGEST_HEADER else b""
        content = _content(header, n)
        _check_format(content)
        data = length + header + file.read()
    _check_whole(data, content)
    try:
        return content, Decoder(_CLASSES, load(data))
    except Exception as error:
        raise InvalidFileError(f"its arrays cannot be read ({error})") from error


def _content(header: bytes, n: int) -> dict[str, Any]:
    """Return the part of the header that is madapt's."""
    if len(header) < 2 or not header.startswith(b"{"):
        raise InvalidFileError("it is no safetensors file, as `save` writes them")
    if len(header) < n:
        raise InvalidFileError("it is no safetensors file, or ends within the header of one")
    try:
        content: dict[str, Any] = json.loads(json.loads(header)["__metadata__"]["madapt"])
        if {"checksum", "format", "madapt", "class", "parameters", "attributes"} <= set(content):
            return content
    except (LookupError, TypeError, ValueError, RecursionError):
        pass
    raise InvalidFileError("madapt did not write it, or its header was altered")


def _check_format(content: dict[str, Any]) -> None:
    number = content["format"]
    if type(number) is not int or number < 1:
        raise InvalidFileError(f"its format must be a number from 1 on, got {number!r}")
    if number > FORMAT:
        raise InvalidFileError(
            f"it has format {number}, written by madapt {content['madapt']}; this madapt reads "
            f"formats up to {FORMAT}, a newer one is needed"
        )


def _check_whole(data: bytes, content: dict[str, Any]) -> None:
    """Refuse bytes that are not those that were written."""
    written = str(content["checksum"]).removeprefix("sha256:")
    blank = data.replace(_quoted(written), _quoted(_NO_CHECKSUM), 1)
    if len(written) != len(_NO_CHECKSUM) or hashlib.sha256(blank).hexdigest() != written:
        raise InvalidFileError("its checksum is not that of its content: it was cut or altered")


def _quoted(checksum: str) -> bytes:
    """Return how a checksum stands in the header, where a text within a text has its quotes."""
    return rf"\"checksum\":\"sha256:{checksum}\"".encode()
