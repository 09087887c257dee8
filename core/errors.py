"""Errors a person can act on: each message says in one sentence what is wrong, what is needed and what to do."""

WHAT_TO_DO = "run 'lassoscope doctor --repair', which keeps what can still be read, or restore a copy"  # about damage


class AppError(Exception):
    """Base of every expected error; the command line and the page show its message only, without a traceback."""


class InputError(AppError):
    """A file, option or value given by the user is not usable."""


class ShapeError(AppError):
    """An array does not have the documented shape."""


class WorkspaceError(AppError):
    """The workspace is missing, in use by another process, or lacks what the verb needs."""


class BusyError(WorkspaceError):
    """Another process has the workspace open for writing."""


class ReadOnlyError(WorkspaceError):
    """The verb has to write, but the workspace is read-only."""


class DamageError(WorkspaceError):
    """A file of the workspace is damaged."""


class EncoderError(AppError):
    """An encoder's weights are missing, unreadable, or do not fit the embeddings they are used with."""


class UnavailableError(AppError):
    """A service outside this machine is needed but cannot be reached."""


class StoppedError(AppError):
    """A person stopped the work; nothing of it is left."""
