"""Fetch files of stores and web servers, many at once, and have them decoded. Few are in memory at a time."""

from concurrent.futures import Future, ThreadPoolExecutor

from core.errors import InputError
from core.images.examine import CHANGED, GONE, FileRead, check_head, read_fetched
from core.images.kinds import HEAD
from core.remote.fetch import LARGEST
from core.remote.fetch import read_file as fetch
from core.remote.troubles import RemoteError, Trouble
from core.workers import Workers

AT_ONCE = 16  # nearly all of the time goes into waiting
SMALL = 256 * 1_024  # bytes; of a larger file the beginning is fetched first, which tells whether it is a picture


class Fetching:
    """Fetches files in threads; each is decoded in one of the reading processes before its thread takes the next."""

    def __init__(self, readers: Workers) -> None:
        self.readers = readers
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch")

    def __enter__(self) -> "Fetching":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def submit(self, address: str, n_bytes: int, mtime_ns: int) -> Future[FileRead]:
        """Fetch and decode a file that was listed with a size and a time.

        Returns:
            a future; its `result` raises `RemoteError` where more files would fail the same way, or what a worker's does.
        """
        return self._threads.submit(self._read, address, n_bytes, mtime_ns)

    def _read(self, address: str, n_bytes: int, mtime_ns: int) -> FileRead:
        try:
            if reason := _reason(address, n_bytes):
                return FileRead(address, n_bytes, mtime_ns, reason)
            content = fetch(address, n_bytes + 1)
        except RemoteError as error:
            # Without its state, so that the next ingest reads it again.
            if error.trouble == Trouble.GONE:
                return FileRead(address, reason=GONE)
            if error.trouble == Trouble.FORBIDDEN:
                return FileRead(address, reason="you may not read it")
            raise
        if len(content) != n_bytes:
            return FileRead(address, reason=CHANGED)
        decoded: FileRead = self.readers.submit(read_fetched, address, content, mtime_ns).result()
        return decoded


def _reason(address: str, n_bytes: int) -> str:
    """Return why a file is not fetched whole, "" if it is."""
    if not n_bytes:
        return "it is empty (0 bytes)"
    try:
        if n_bytes > SMALL:
            check_head(fetch(address, HEAD))
    except InputError as error:
        return str(error)
    if n_bytes > LARGEST:
        return f"it is {n_bytes / 2**20:,.0f} MB large; pictures of up to {LARGEST // 2**20} MB are fetched"
    return ""
