"""Objects of S3, Google and Azure stores, by fsspec. Its packages are imported at the first use: most people have none."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

from core.remote.addresses import STORES, scheme_of
from core.remote.troubles import RemoteError, Trouble, sentence_of

TIMES = ("LastModified", "last_modified", "mtime", "updated", "created")  # names that stores give it
CONNECT_SECONDS, ANSWER_SECONDS = 10, 30
# Each package has its own words for time limits; credentials are left to its own chain.
OF_BOTO = {
    "connect_timeout": CONNECT_SECONDS,
    "read_timeout": ANSWER_SECONDS,
    "retries": {"max_attempts": 0},
}  # `fetch` tries again
OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {"config_kwargs": OF_BOTO},
    "gs": {},
    "az": {"connection_timeout": CONNECT_SECONDS, "read_timeout": ANSWER_SECONDS},
}


class Listed(NamedTuple):
    """A remote file as its store lists it."""

    address: str
    n_bytes: int
    mtime_ns: int  # 0 if the store does not say


@cache
def filesystem(scheme: str) -> Any:
    """Return the file system of a scheme.

    Raises:
        RemoteError: if the extra is not installed.
    """
    package = STORES[scheme]
    if find_spec("fsspec") is None or find_spec(package) is None:
        needed = f"{scheme}:// needs {package}, which is not installed; run: pip install 'lassoscope[{scheme}]'."
        raise RemoteError(needed, Trouble.EXTRA)
    import fsspec

    # The plain one for Google's: the other asks each bucket's kind by gRPC first, for a minute where that gets no answer.
    kind = import_module("gcsfs.core").GCSFileSystem if scheme == "gs" else fsspec.get_filesystem_class(scheme)
    try:
        store = kind(use_listings_cache=False, skip_instance_cache=True, **OPTIONS[scheme])
    except ValueError:  # adlfs, without an account
        address = f"{scheme}://"
        raise RemoteError(sentence_of(Trouble.FORBIDDEN, address), Trouble.FORBIDDEN) from None
    if scheme == "s3":
        store.retries = 2  # of its own: `fetch` tries again
    return store


def _call(store: Any, name: str, *arguments: Any, seconds: float, **options: Any) -> Any:
    """Call a method of a file system, for so long at most."""
    if not store.async_impl:
        return getattr(store, name)(*arguments, **options)
    from fsspec.asyn import sync

    method: Callable[..., Any] = getattr(store, f"_{name}")
    return sync(store.loop, method, *arguments, timeout=seconds, **options)


def list_objects(address: str, seconds: float) -> Iterator[Listed]:
    """Yield the objects at an address: itself, or all below it."""
    scheme = scheme_of(address)
    store = filesystem(scheme)
    found = _call(store, "find", address.partition("://")[2], detail=True, seconds=seconds)
    if not isinstance(found, dict):  # of adlfs, for a single object
        yield object_now(address, seconds)
        return
    for name, about in found.items():
        if about.get("type") == "file" and not name.endswith("/"):
            yield _listed(scheme, about, name)


def object_now(address: str, seconds: float) -> Listed:
    """Return an object as it is now."""
    scheme = scheme_of(address)
    about = _call(filesystem(scheme), "info", address.partition("://")[2], seconds=seconds)
    if about.get("type") != "file":
        raise FileNotFoundError(address)
    return _listed(scheme, about, about["name"])


def read_object(address: str, start: int, stop: int, seconds: float) -> bytes:
    """Return the bytes [start, stop) of an object that is not empty, or as many of them as there are."""
    store = filesystem(scheme_of(address))
    content: bytes = _call(store, "cat_file", address.partition("://")[2], start=start, end=stop, seconds=seconds)
    return content


def _listed(scheme: str, about: dict[str, Any], name: str) -> Listed:
    moment = next((about[key] for key in TIMES if about.get(key)), None)
    return Listed(f"{scheme}://{name.lstrip('/')}", int(about.get("size") or 0), _nanoseconds(moment))


def _nanoseconds(moment: Any) -> int:
    if isinstance(moment, str):
        with contextlib.suppress(ValueError):
            moment = datetime.fromisoformat(moment)
    if isinstance(moment, datetime):
        moment = moment.timestamp()
    return round(moment * 1_000_000) * 1_000 if isinstance(moment, int | float) else 0
