"""Remote files are listed, read and downloaded by all four protocols; each trouble has its sentence and its kind."""

import datetime
import ipaddress
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from core.errors import InputError, StoppedError
from core.remote import fetch, stores, web
from core.remote.stores import Listed
from core.remote.troubles import RemoteError, Trouble
from tests.elsewhere import THEN, Elsewhere, elsewhere  # noqa: F401
from tests.elsewhere import web as page

BIG = bytes(range(256)) * 4_000  # a megabyte


def fails(work, trouble, *words):
    with pytest.raises(RemoteError) as failed:
        work()
    assert failed.value.trouble == trouble, str(failed.value)
    for part in words:
        assert part in str(failed.value)


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
def test_a_store_is_listed_page_by_page_and_read_no_further_than_asked(elsewhere, scheme):  # noqa: F811
    names = ["a/1.png", "a/2 ü+%.png", "a/b/3.png", "a/b/4.png", "a/b/c/5.png"]  # more than a page
    for name in names:
        elsewhere.put(f"pictures/{name}", b"0123456789" + name.encode())
    elsewhere.put("pictures/aside.png", b"not below a/")
    if scheme != "az":  # whose library takes it for a file without content
        elsewhere.put("pictures/a/folder/", b"")  # as consoles mark an empty folder
    mtime = int(THEN.timestamp()) * 10**9
    listed = fetch.list_files(f"{scheme}://pictures/a")
    assert listed == [Listed(f"{scheme}://pictures/{name}", 10 + len(name.encode()), mtime) for name in sorted(names)]
    assert [fetch.file_now(file.address) for file in listed] == listed
    assert [fetch.read_file(file.address, 12) for file in listed] == [b"0123456789a/"] * 5
    assert fetch.read_file(listed[1].address, 1_000) == b"0123456789" + names[1].encode()
    assert fetch.list_files(listed[0].address) == listed[:1]  # one object by its own address


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
def test_what_a_store_lacks_or_refuses_is_said(elsewhere, scheme):  # noqa: F811
    elsewhere.put("pictures/a.png", BIG)
    for nothing in ("nobucket/a", "pictures/none"):
        fails(lambda at=f"{scheme}://{nothing}": fetch.list_files(at), Trouble.GONE, f"nothing at {scheme}://{nothing}")
    elsewhere.refused.add("pictures/a.png")
    told = "check the credentials in the environment"
    fails(lambda: fetch.read_file(f"{scheme}://pictures/a.png", 10), Trouble.FORBIDDEN, "may not be read", told)


def test_credentials_that_are_wrong_or_missing_are_said_and_not_shown(elsewhere, monkeypatch):  # noqa: F811
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDHIDDEN")
    with pytest.raises(RemoteError, match="may not be read") as failed:
        fetch.list_files("s3://pictures/a")
    assert "HIDDEN" not in str(failed.value)
    stores.filesystem.cache_clear()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    fails(lambda: fetch.list_files("s3://pictures/a"), Trouble.FORBIDDEN, "no credentials", "AWS_PROFILE")


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
def test_without_its_extra_a_scheme_names_it(monkeypatch, scheme):
    stores.filesystem.cache_clear()
    monkeypatch.setattr("core.remote.stores.find_spec", lambda name: None if name == stores.STORES[scheme] else name)
    fails(lambda: fetch.list_files(f"{scheme}://pictures"), Trouble.EXTRA, f"pip install 'lassoscope[{scheme}]'")


def test_a_moment_of_trouble_is_waited_out_and_no_longer_one(elsewhere):  # noqa: F811
    elsewhere.put("web/a.png", BIG)
    pauses = []
    elsewhere.fails = fetch.TRIES - 1
    assert fetch.read_file(page(elsewhere, "web/a.png"), 10, pause=pauses.append) == BIG[:10]
    assert len(pauses) == fetch.TRIES - 1
    elsewhere.fails = fetch.TRIES
    fails(lambda: fetch.read_file(page(elsewhere, "web/a.png"), 10), Trouble.OTHER, "run the same command again")
    elsewhere.objects.clear()
    pauses.clear()
    fails(lambda: fetch.read_file(page(elsewhere, "web/a.png"), 10, pause=pauses.append), Trouble.GONE, "(404)")
    assert not pauses


@pytest.mark.parametrize("address", ["s3://pictures/a.png", "gs://pictures/a.png", "http://HOST/web/a.png"])
def test_who_does_not_answer_is_not_waited_for(elsewhere, address):  # noqa: F811
    for name in ("pictures/a.png", "web/a.png"):
        elsewhere.put(name, BIG)
    elsewhere.slow = 1.5
    at = address.replace("HOST", f"127.0.0.1:{elsewhere.port}")
    fails(lambda: fetch.read_file(at, len(BIG), tries=1, seconds=0.2), Trouble.SLOW, "did not answer in time")


@pytest.mark.parametrize("address", ["s3://pictures/a.png", "az://pictures/a.png", "http://HOST/web/a.png"])
def test_a_server_that_is_not_there_is_said(elsewhere, monkeypatch, address):  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    connection = f"AccountName=azure;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:{port}/azure;"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
    at = address.replace("HOST", f"127.0.0.1:{port}")
    if address.startswith("az"):  # its library goes on trying for a minute
        fails(lambda: fetch.read_file(at, 10, tries=1, seconds=1), Trouble.SLOW, "did not answer in time")
    else:
        fails(lambda: fetch.read_file(at, 10, tries=1), Trouble.UNREACHABLE, "cannot be reached")


def test_a_download_goes_on_where_it_broke_off(elsewhere, tmp_path):  # noqa: F811
    elsewhere.put("web/a.zip", BIG)
    elsewhere.cuts, seen = 6, []  # more often than it is tried; each brings half of what is left
    fetch.download(page(elsewhere, "web/a.zip"), tmp_path / "a", most=2**30, on_progress=lambda *at: seen.append(at))
    assert (tmp_path / "a").read_bytes() == BIG
    assert elsewhere.fetched() == ["web/a.zip"] * 7
    assert seen == sorted(seen)  # it never began again
    assert seen[-1] == (len(BIG), len(BIG))


def test_a_download_begins_again_if_the_file_is_another_by_then(elsewhere, tmp_path):  # noqa: F811
    elsewhere.put("web/a.zip", BIG)
    elsewhere.cuts = 1
    newer = [BIG[::-1]]
    elsewhere.on_get = lambda name: elsewhere.cuts or (newer and elsewhere.put(name, newer.pop(), THEN + datetime.timedelta(1)))
    fetch.download(page(elsewhere, "web/a.zip"), tmp_path / "a", most=2**30)
    assert (tmp_path / "a").read_bytes() == BIG[::-1]


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
def test_an_object_is_downloaded_part_by_part_and_may_not_change_meanwhile(elsewhere, monkeypatch, tmp_path, scheme):  # noqa: F811
    monkeypatch.setattr(fetch, "PART", 300_000)
    elsewhere.put("pictures/a.zip", BIG)
    fetch.download(f"{scheme}://pictures/a.zip", tmp_path / "a", most=2**30)
    assert (tmp_path / "a").read_bytes() == BIG
    elsewhere.on_get = lambda name: elsewhere.put(name, BIG, THEN + datetime.timedelta(1))
    with pytest.raises(RemoteError, match="changed while it was downloaded"):
        fetch.download(f"{scheme}://pictures/a.zip", tmp_path / "a", most=2**30)


def test_a_download_is_limited_in_size_also_where_the_server_says_none(elsewhere, tmp_path):  # noqa: F811
    elsewhere.put("web/a.zip", BIG)
    elsewhere.put("pictures/a.zip", BIG)
    for silent in (False, True):
        elsewhere.silent = silent
        with pytest.raises(InputError, match="are fetched at once"):
            fetch.download(page(elsewhere, "web/a.zip"), tmp_path / "a", most=10_000)
    elsewhere.silent = False
    with pytest.raises(InputError, match="are fetched at once"):
        fetch.download("s3://pictures/a.zip", tmp_path / "a", most=10_000)


def test_a_person_ends_a_download_and_a_full_disk_is_no_trouble_of_the_network(elsewhere, tmp_path):  # noqa: F811
    elsewhere.put("web/a.zip", BIG)

    def stop(done, total):
        raise StoppedError("stopped")

    with pytest.raises(StoppedError):
        fetch.download(page(elsewhere, "web/a.zip"), tmp_path / "a", most=2**30, on_progress=stop)

    def full(n_bytes):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fetch.download(page(elsewhere, "web/a.zip"), tmp_path / "a", most=2**30, need_room=full)
    assert elsewhere.fetched() == ["web/a.zip"] * 2  # neither was tried again


def test_redirects_lead_nowhere_inside(elsewhere, monkeypatch):  # noqa: F811
    elsewhere.put("web/a.png", b"picture")
    elsewhere.leads = {"web/same": "/web/a.png", "web/round": "/web/round"}
    assert fetch.read_file(page(elsewhere, "web/same"), 100) == b"picture"
    with pytest.raises(RemoteError):
        fetch.read_file(page(elsewhere, "web/round"), 100, tries=1)
    for inside in ("http://169.254.169.254/latest", "https://10.0.0.1/a", "ftp://example.org/a", "file:///etc/passwd"):
        elsewhere.leads["web/in"] = f"{inside}?token=secret"
        with pytest.raises(RemoteError) as failed:
            fetch.read_file(page(elsewhere, "web/in"), 100, tries=1)
        assert "secret" not in str(failed.value)
    # A name counts by all of its addresses.
    found = {"inner": ["93.184.216.34", "10.0.0.7"], "outer": ["93.184.216.34"], "own": ["::1"], "none": []}
    monkeypatch.setattr(web.socket, "getaddrinfo", lambda host, *_, **__: [(0, 0, 0, "", (at, 443)) for at in found[host]])
    assert [host for host in found if web.is_public(host, 443)] == ["outer"]


@pytest.fixture
def encrypted(tmp_path):
    """A web server with a certificate of its own authority, and the file that names it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, *form)
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    server = Elsewhere("https")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server, file
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_certificate_that_nobody_knows_is_refused(encrypted, monkeypatch):
    server, file = encrypted
    server.put("web/a.png", b"picture")
    fails(lambda: fetch.read_file(page(server, "web/a.png"), 100), Trouble.CERTIFICATE, "SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert fetch.read_file(page(server, "web/a.png"), 100) == b"picture"
    server.leads["web/plain"] = f"http://127.0.0.1:{server.port}/web/a.png"  # not encrypted any more
    fails(lambda: fetch.read_file(page(server, "web/plain"), 100), Trouble.FORBIDDEN, "not encrypted")
