"""The errors and the warnings that madapt raises itself."""

__all__ = [
    "InterruptedWarning",
    "InvalidFileError",
    "InvalidTypeError",
    "InvalidValueError",
    "JudgmentsWarning",
    "MadaptError",
    "MadaptWarning",
    "OtherModelWarning",
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


class InterruptedWarning(MadaptWarning):
    """A fit ended before its last step, or an interrupted one could not be gone on with."""


class JudgmentsWarning(MadaptWarning):
    """Judgments, some or all, have not been learned from."""


class OtherModelWarning(MadaptWarning):
    """Vectors do not look like those of the model that an estimator was fitted on."""
