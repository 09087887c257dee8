"""Addresses of remote files: which are taken, and what of one may be shown. Standard library and core.errors only."""

import ipaddress
import re
from urllib.parse import quote, urlsplit

from core.errors import InputError

STORES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}  # scheme, which is also the extra's name -> its package
WEB = ("https", "http")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
PLAIN = "/%:@!$&'()*+,;=~-._"  # characters of a path that stay as they are
TAKEN = "s3://, gs://, az:// and https:// are"


def scheme_of(path: str) -> str:
    """Return the scheme of an address in small letters; "" for the path of a file."""
    found = _SCHEME.match(path)
    return found[1].lower() if found else ""


def is_remote(path: str) -> bool:
    """Tell whether a path is an address elsewhere, not a file of this computer."""
    return bool(scheme_of(path))


def shown_address(address: str) -> str:
    """Return an address without what may be a secret: a user, a password, a query."""
    scheme, _, rest = address.partition("://")
    host, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def checked_address(address: str) -> str:
    """Return the address of a remote file or folder as it is kept and shown.

    Raises:
        InputError: if it is of another kind, is not encrypted, or may hold a secret: it is kept in the catalog and in logs.
    """
    scheme, shown = scheme_of(address), shown_address(address)
    if scheme not in (*STORES, *WEB):
        raise InputError(f"{scheme}:// is not a kind of source; {TAKEN}, and folders and manifests of this computer.")
    rest = address.partition("://")[2]
    host, _, path = rest.partition("/")
    if "@" in host:
        raise InputError(
            f"The address of {shown} has a user or a password in it, which would be kept; leave it out, and give credentials "
            "in the environment."
        )
    if "?" in rest or "#" in rest:
        raise InputError(
            f"The address of {shown} has a query (after ?) or a fragment (after #), which may be a signature and would be "
            "kept; give one without, or download it and ingest the files."
        )
    if scheme in STORES:
        if not host or re.search(r"[\s\\]", host):
            raise InputError(f"{shown} names no bucket; give {scheme}://BUCKET/FOLDER.")
        return f"{scheme}://{rest.rstrip('/')}"
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        is_host, port = bool(parts.hostname), parts.port
    except ValueError:  # of the port, or of an IPv6 address
        is_host, port = False, None
    if not is_host or port == 0 or re.search(r"[\s\\]", host):
        raise InputError(f"{shown} names no web server; give an address such as https://HOST/pictures.zip.")
    if scheme == "http" and not is_loopback(parts.hostname or ""):
        raise InputError(f"{shown} would be fetched without encryption; give its https:// address.")
    return f"{scheme}://{host}/{quote(path, safe=PLAIN)}"


def is_loopback(host: str) -> bool:
    """Tell whether a host is this computer by its name or number."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
