"""The errors and the warning that madapt raises itself."""

__all__ = [
    "InvalidFileError",
    "InvalidTypeError",
    "InvalidValueError",
    "MadaptError",
    "MadaptWarning",
]


class MadaptError(Exception):
    """Base of every error that madapt raises itself."""


class InvalidValueError(MadaptError, ValueError):
    """An argument has the right type and a value that cannot be used."""


class InvalidTypeError(MadaptError, TypeError):
    """An argument has a type that cannot be used."""


class InvalidFileError(MadaptError, ValueError):
    """A file is not one that can be read, or is not whole."""


class MadaptWarning(UserWarning):
    """Something went on differently from what was asked; the message says how."""
