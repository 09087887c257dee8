"""Files of web servers. Redirects are followed only where they lead no further inside than the address itself."""

import ipaddress
import re
import socket
import ssl
from email.utils import parsedate_to_datetime
from http.client import HTTPMessage, HTTPResponse
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from core.remote.addresses import is_loopback, shown_address
from core.remote.stores import ANSWER_SECONDS, Listed
from core.remote.troubles import RemoteError, Trouble

PIECE = 2**20  # bytes read at once


def open_web(address: str, *, start: int = 0, same: str = "") -> HTTPResponse:
    """Open a file of a web server for reading.

    Args:
        start: its first byte that is wanted; the server may begin at 0 all the same, and answer 200 instead of 206.
        same: the ETag or time of the file that the bytes have to be of.
    Raises:
        OSError: as urllib does; `RemoteError` for a redirect that is not followed.
    """
    headers = {"User-Agent": "lassoscope", "Accept-Encoding": "identity", "Accept": "*/*"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": same}
    opener = build_opener(_Redirects(address), HTTPSHandler(context=ssl.create_default_context()))
    try:
        opened: HTTPResponse = opener.open(Request(address, headers=headers), timeout=ANSWER_SECONDS)
    except HTTPError as error:
        error.close()
        raise
    return opened


def page_now(address: str) -> Listed:
    """Return a file of a web server as its headers describe it."""
    with open_web(address) as opened:
        return described(address, opened)


def described(address: str, opened: HTTPResponse) -> Listed:
    """Return what the headers of a file say of it; zeros for what they do not."""
    length = opened.headers.get("Content-Length", "")
    try:
        mtime_ns = int(parsedate_to_datetime(opened.headers.get("Last-Modified", "")).timestamp()) * 10**9
    except (ValueError, TypeError, OverflowError):
        mtime_ns = 0
    return Listed(address, int(length) if re.fullmatch(r"\d{1,15}", length) else 0, mtime_ns)


def validator(opened: HTTPResponse) -> str:
    """Return by what the rest of a file can be asked for, "" by nothing: a strong ETag, or the time."""
    tag = opened.headers.get("ETag", "")
    return tag if tag.startswith('"') else opened.headers.get("Last-Modified", "")


class _Redirects(HTTPRedirectHandler):
    max_redirections = 5

    def __init__(self, address: str) -> None:
        self._asked = address

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Follow a redirect to an encrypted address on the open network, or on the same host."""
        to, before = urlsplit(urljoin(self._asked, newurl)), urlsplit(self._asked)
        host, same = to.hostname or "", to.hostname == before.hostname
        encrypted = to.scheme == "https" or (to.scheme == before.scheme == "http" and is_loopback(host))
        if not encrypted or not (same or is_public(host, to.port or 443)):
            fp.close()
            raise RemoteError(
                f"{shown_address(self._asked)} leads on to an address that is not encrypted or is not public "
                f"({shown_address(newurl)}); give the address of the file itself.",
                Trouble.FORBIDDEN,
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def is_public(host: str, port: int) -> bool:
    """Tell whether all addresses of a host are of the open network."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(ipaddress.ip_address(str(place[0]).partition("%")[0]).is_global for *_, place in found)
