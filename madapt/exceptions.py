"""The errors and the warning that madapt raises itself."""

__all__ = ["InvalidTypeError", "InvalidValueError", "MadaptError", "MadaptWarning"]


class MadaptError(Exception):
    """Base of every error that madapt raises itself."""


class InvalidValueError(MadaptError, ValueError):
    """An argument has the right type and a value that cannot be used."""


class InvalidTypeError(MadaptError, TypeError):
    """An argument has a type that cannot be used."""


class MadaptWarning(UserWarning):
    """Something went on differently from what was asked; the message says how."""
