"""Stores and a web server on loopback, as far as reading goes: S3, Google and Azure by their own protocols, with faults."""

import base64
import json
import re
import threading
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from core.remote.stores import filesystem

KEY = "AKIDTESTS"
PAGE = 3  # objects a page of a listing
AZURE_KEY = base64.b64encode(b"a key of tests").decode()
THEN = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)


class Elsewhere(ThreadingHTTPServer):
    """Serves the same objects by all four protocols: name -> (content, when it was written)."""

    daemon_threads = True

    def __init__(self, scheme="http"):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.scheme, self.port = scheme, self.server_address[1]
        self.objects, self.asked, self.lock = {}, [], threading.Lock()
        self.cuts = 0  # answers that end in the middle
        self.slow = 0.0  # seconds until an answer
        self.fails = 0  # answers with 503
        self.refused, self.busy = set(), set()  # names that this key may not read, and those whose answer is 503
        self.leads = {}  # name -> where it leads on to
        self.silent = False  # about lengths
        self.on_get = lambda name: None

    @property
    def host(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def put(self, name, content, when=THEN):
        self.objects[name] = content, when

    def fetched(self):
        """Return the names that were read since the last call."""
        with self.lock:
            names, self.asked = self.asked, []
        return names

    def handle_error(self, request, client_address):
        """Say nothing of readers that go away."""


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Elsewhere

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        time.sleep(self.server.slow)
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
        if self.server.fails:
            self.server.fails -= 1
            return self.say(503, b"busy")
        if url.path.startswith(("/storage/v1/", "/download/storage/v1/")):
            return self.google(unquote(url.path.partition("/b/")[2]), query)
        if url.path.startswith("/azure/"):
            return self.azure(unquote(url.path.removeprefix("/azure/")), query)
        if url.path.startswith("/web/"):
            return self.object(unquote(url.path[1:]), {})
        return self.s3(unquote(url.path[1:]), query)

    # -- protocols --

    def s3(self, path, query):
        if f"Credential={KEY}/" not in self.headers.get("Authorization", ""):
            return self.say(403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
        bucket, _, key = path.partition("/")
        if bucket != "pictures":
            return self.say(404, b"<Error><Code>NoSuchBucket</Code><Message>no such bucket</Message></Error>")
        if key:
            missing = b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>"
            return self.object(path, {"x-amz-request-id": "1"}, missing=missing)
        names, folders, more = self.page(
            f"{bucket}/", query.get("prefix", ""), query.get("delimiter", ""), query.get("continuation-token")
        )
        listed = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>{when:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
            f"<ETag>&quot;{len(content)}&quot;</ETag><Size>{len(content)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for name, content, when in names
        )
        listed += "".join(f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in folders)
        listed += f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
        listed += f"<NextContinuationToken>{more}</NextContinuationToken>" if more else ""
        body = f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{bucket}</Name>{listed}</ListBucketResult>'
        return self.say(200, body.encode(), {"Content-Type": "application/xml"})

    def google(self, path, query):
        bucket, _, key = path.partition("/o")
        if bucket != "pictures":
            return self.say(404, b'{"error": {"code": 404, "message": "no such bucket"}}')
        if key.strip("/"):
            name = f"{bucket}{key}"
            if query.get("alt") == "media":
                return self.object(name, {})
            if name not in self.server.objects:
                return self.say(404, b'{"error": {"code": 404, "message": "no such object"}}')
            return self.say(200, json.dumps(self.of_google(key[1:], *self.server.objects[name])).encode())
        names, folders, more = self.page(
            f"{bucket}/", query.get("prefix", ""), query.get("delimiter", ""), query.get("pageToken")
        )
        told = {"kind": "storage#objects", "items": [self.of_google(*one) for one in names], "prefixes": folders} | (
            {"nextPageToken": more} if more else {}
        )
        return self.say(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

    @staticmethod
    def of_google(name, content, when):
        stamp = f"{when:%Y-%m-%dT%H:%M:%S.000Z}"
        about = {
            "kind": "storage#object",
            "name": name,
            "bucket": "pictures",
            "size": str(len(content)),
            "updated": stamp,
            "timeCreated": stamp,
        }
        return about | {"timeCreated": stamp, "generation": "1", "metageneration": "1", "id": f"pictures/{name}/1", "etag": "x"}

    def azure(self, path, query):
        if "SharedKey" not in self.headers.get("Authorization", ""):
            return self.say(403, b"<Error><Code>AuthenticationFailed</Code><Message>no key</Message></Error>")
        container, _, key = path.partition("/")
        if container != "pictures":
            code = {"x-ms-error-code": "ContainerNotFound"}
            return self.say(404, b"<Error><Code>ContainerNotFound</Code><Message>none</Message></Error>", code)
        if key:
            return self.object(path, {"x-ms-blob-type": "BlockBlob"}, missing=b"", code={"x-ms-error-code": "BlobNotFound"})
        if query.get("comp") != "list":
            return self.say(200, b"", {"Last-Modified": format_datetime(THEN, usegmt=True), "ETag": '"1"'})
        names, folders, more = self.page(
            f"{container}/", query.get("prefix", ""), query.get("delimiter", ""), query.get("marker")
        )
        blobs = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{format_datetime(when, usegmt=True)}</Last-Modified>"
            f"<Etag>x</Etag><Content-Length>{len(content)}</Content-Length><Content-Type>image/png</Content-Type>"
            "<BlobType>BlockBlob</BlobType></Properties></Blob>"
            for name, content, when in names
        )
        blobs += "".join(f"<BlobPrefix><Name>{escape(folder)}</Name></BlobPrefix>" for folder in folders)
        body = f'<?xml version="1.0"?><EnumerationResults ContainerName="{container}"><Blobs>{blobs}</Blobs>'
        body += f"<NextMarker>{more or ''}</NextMarker></EnumerationResults>"
        return self.say(200, body.encode(), {"Content-Type": "application/xml"})

    def page(self, inside, prefix, delimiter, after):
        """Return a page of a listing: (name, content, time) of objects, folders, and where the next page begins."""
        names, folders = [], []
        for name, (content, when) in sorted(self.server.objects.items()):
            key = name.removeprefix(inside)
            if key == name or not key.startswith(prefix):
                continue
            rest = key.removeprefix(prefix)
            if delimiter and delimiter in rest:
                folders.append(prefix + rest.partition(delimiter)[0] + delimiter)
            else:
                names.append((key, content, when))
        start = int(after or 0)
        more = str(start + PAGE) if len(names) > start + PAGE else ""
        return names[start : start + PAGE], sorted(set(folders)) if not start else [], more

    # -- objects --

    def object(self, name, headers, missing=b"nothing here", code=None):
        if name in self.server.leads:
            return self.say(302, b"", {"Location": self.server.leads[name]})
        if name in self.server.busy:
            return self.say(503, b"busy")
        if name in self.server.refused:
            return self.say(403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
        if self.command == "GET":
            with self.server.lock:
                self.server.asked.append(name)
            self.server.on_get(name)
        if name not in self.server.objects:
            return self.say(404, missing, code or {})
        content, when = self.server.objects[name]
        tag = f'"{len(content)}-{when.timestamp():.0f}"'
        whole, status = len(content), 200
        asked = self.headers.get("Range") or self.headers.get("x-ms-range") or ""
        if (found := re.fullmatch(r"bytes=(\d+)-(\d*)", asked)) and self.headers.get("If-Range", tag) == tag:
            start, stop = int(found[1]), min(int(found[2] or whole) + 1, whole)
            if start >= whole:
                return self.say(416, b"")
            content, status = content[start:stop], 206
            headers = {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{whole}"}
        stamp = format_datetime(when, usegmt=True)
        return self.say(status, content, {**headers, "ETag": tag, "Last-Modified": stamp, "Accept-Ranges": "bytes"})

    def say(self, status, body, headers=None):
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        silent = self.server.silent and status == 200
        if silent:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.server.cuts and len(body) > 1_000:
            self.server.cuts -= 1
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        self.wfile.write(body)


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """A store that the environment names, as people name theirs, and no pause between tries."""
    server = Elsewhere()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    for name, value in surroundings(server.port, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("core.remote.fetch.PAUSES", (0.01,))
    filesystem.cache_clear()
    yield server
    filesystem.cache_clear()
    server.shutdown()
    server.server_close()
    thread.join()


def surroundings(port, folder):
    """Return the variables by which the stores' libraries find a server of tests."""
    host = f"http://127.0.0.1:{port}"
    return {
        "AWS_ENDPOINT_URL": host,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": "a secret of tests",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(folder / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "STORAGE_EMULATOR_HOST": host,
        "FSSPEC_GS_TOKEN": "anon",
        "AZURE_STORAGE_CONNECTION_STRING": f"AccountName=azure;AccountKey={AZURE_KEY};BlobEndpoint={host}/azure;",
        "NO_PROXY": "127.0.0.1,localhost",
    }


def web(server, name):
    """Return the address of an object as a web page."""
    return f"{server.host}/{quote(name)}"
