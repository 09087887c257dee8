"""Errors a person can act on: each message is one sentence that says what was got, what is needed and what to do."""

WHAT_TO_DO = "run 'lassoscope doctor --repair', which keeps what can still be read, or restore a copy"  # where damage was met


class AppError(Exception):
    """Base of every expected error; the command line and the page print its message and nothing else."""


class InputError(AppError):
    """A file, option or value from outside is not usable."""


class ShapeError(AppError):
    """An array does not have the shape that the function documents."""


class WorkspaceError(AppError):
    """The workspace folder is missing, in use by another process, or not at the stage the verb needs."""


class BusyError(WorkspaceError):
    """Another process has the workspace open for writing."""


class ReadOnlyError(WorkspaceError):
    """Something would have to be written where nothing can be."""


class DamageError(WorkspaceError):
    """A file of the workspace cannot be read as what it should be."""


class EncoderError(AppError):
    """An encoder's weights are unknown, unreadable, or do not fit the embeddings they are used with."""


class UnavailableError(AppError):
    """Something outside this machine is needed and cannot be reached."""
