"""Taking files in without reader processes, which take seconds to start: for files that are known to be harmless."""

from concurrent.futures import Future

import pytest

from core.intake.ingest import ingest


class InProcess:
    """What `core.workers.Workers` does, here and now: for tests whose files are harmless and whose question is another."""

    def __init__(self, *_args, **_options):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, function, *arguments):
        future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def take_in(space, source):
    """Ingest a source in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.intake.ingest.Workers", InProcess)
        return ingest(space, source, workers=1)
