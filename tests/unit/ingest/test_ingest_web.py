"""Pages are fetched from allowed hosts on the public internet, and from nowhere else."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest

from app.ingest.discover import InputError
from app.ingest.document import Limits, UnreadableDocument
from app.ingest.remote.addresses import is_public
from app.ingest.remote.gather import gather
from app.ingest.remote.web import Gone, Timeouts, Web

SITE = "docs.example.org"
Page = tuple[int, dict[str, str], bytes]
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"


class Site:
    """A server on the loopback interface, under names that a resolver of our own leads to it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, str]] = []  # host header and path

    def page(self, path: str, body: bytes = b"", status: int = 200, **headers: str) -> str:
        self.pages[path] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)
        return f"http://{SITE}:{self.port}{path}"


@pytest.fixture(scope="module")
def server() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append((self.headers["host"], self.path))
            status, headers, body = made.pages[self.path]
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Site(listener.server_port)
    threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    listener.shutdown()
    listener.server_close()


@pytest.fixture
def site(server: Site) -> Site:
    server.pages.clear()
    server.asked.clear()
    return server


def web(limits: Limits | None = None, timeouts: Timeouts | None = None, **names: str) -> Web:
    """Leads the site's name to the loopback interface, which for once counts as public; other names as given."""
    addresses = {SITE: "127.0.0.1", "static." + SITE: "127.0.0.1", **{k.replace("_", "."): v for k, v in names.items()}}
    return Web(
        [SITE, *(name for name in addresses if not name.endswith(SITE))],
        limits or Limits(),
        timeouts=timeouts,
        resolve_host=lambda host, port: [addresses[host]],
        may_connect=lambda address: address == "127.0.0.1" or is_public(address),
    )


def fetch(client: Web, url: str) -> tuple[str, bytes]:
    target = BytesIO()
    return client.fetch(url, target), target.getvalue()


def refusal(client: Web, url: str) -> str:
    with pytest.raises(UnreadableDocument) as caught:
        fetch(client, url)
    return caught.value.reason


@pytest.mark.parametrize(
    ("kind", "path", "suffix"),
    [
        ("text/html; charset=utf-8", "/a", ".html"),
        ("application/pdf", "/a.html", ".pdf"),
        ("text/plain", "/a/tool.py", ".py"),
        ("text/plain", "/a", ".txt"),
        ("text/plain", "/a.pdf", ".txt"),
        ("application/octet-stream", "/a.docx", ".docx"),
        ("application/x-ndjson", "/a", ".jsonl"),
        ("text/x-rust", "/a.rs", ".rs"),
    ],
)
def test_the_content_type_decides_the_parser(site: Site, kind: str, path: str, suffix: str) -> None:
    assert fetch(web(), site.page(path, b"words", content_type=kind)) == (suffix, b"words")
    assert site.asked == [(f"{SITE}:{site.port}", path)]


@pytest.mark.parametrize("kind", ["image/png", "application/zip", "application/octet-stream", ""])
def test_other_content_is_refused(site: Site, kind: str) -> None:
    assert refusal(web(), site.page("/a", b"x", content_type=kind)).startswith("unsupported content type")


def test_redirects_are_followed_within_the_allowed_hosts(site: Site) -> None:
    site.page("/end", b"words", content_type="text/plain")
    start = site.page("/start", status=302, location=f"//static.{SITE}:{site.port}/end")
    assert fetch(web(), start) == (".txt", b"words")
    assert site.asked[1] == (f"static.{SITE}:{site.port}", "/end")


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://127.0.0.1/", "127.0.0.1 is no allowed host"),
        ("http://0x7f.1:80/", "127.0.0.1 is no allowed host"),
        ("http://[::1]/", r"[::1] is no allowed host"),
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254 is no allowed host"),
        ("https://elsewhere.example/", "elsewhere.example is no allowed host"),
        ("http://inside.example/", "inside.example is not on the public internet"),
        ("file:///etc/passwd", "leads to something else than http and https"),
        ("gopher://docs.example.org/", "leads to something else than http and https"),
        ("http://user:pass@docs.example.org/", "a user name in a URL is not taken"),
        ("http://docs.example.org:99999/", "not a URL that can be read"),
        ("http://[foo]/", "leads to something that is no URL"),
        ("//[::1", "leads to something that is no URL"),
    ],
)
def test_redirects_elsewhere_are_refused(site: Site, location: str, expected: str) -> None:
    start = site.page("/start", status=301, location=location)
    assert refusal(web(inside_example="10.0.0.7"), start).startswith(expected)
    assert [path for _, path in site.asked] == ["/start"]


def test_redirects_in_circles_end(site: Site) -> None:
    assert refusal(web(), site.page("/a", status=307, location="/a")) == "more than 5 redirects"
    assert len(site.asked) == 6


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "127.1", "0x7f000001", "2130706433", "017700000001", "[::1]", "[::ffff:127.0.0.1]",
     "[::ffff:7f00:1]", "0", "127.0.0.1.", "%31%32%37.0.0.1", "\uff11\uff12\uff17.0.0.1"],
)  # fmt: skip
def test_the_own_machine_is_not_reached_however_it_is_written(site: Site, host: str) -> None:
    strict = Web([SITE, "localhost", "127.0.0.1", "[::1]", "[::ffff:7f00:1]", "0.0.0.0"], Limits())
    assert refusal(strict, f"http://{host}:{site.port}/a").endswith("is not on the public internet")
    assert refusal(Web([SITE], Limits()), f"http://{host}:{site.port}/a").endswith("allow it with --allow-host")
    assert site.asked == []


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "127.0.0.1", "0.0.0.0", "100.64.0.1", "224.0.0.1",
     "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1",
     "fec0::1", "feff::1", "192.88.99.1", "2002:c058:6301::",
     "ff02::1", "::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::a00:1", "2002:a00:1::",
     "2001:0:a00:1::", "2001:db8::1", "no address"],
)  # fmt: skip
def test_private_and_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


def test_a_name_with_one_private_address_is_refused() -> None:
    client = Web([SITE], Limits(), resolve_host=lambda host, port: ["8.8.8.8", "10.0.0.1"])
    assert refusal(client, f"http://{SITE}/") == f"{SITE} is not on the public internet"


def test_the_connection_goes_to_the_address_that_was_checked(site: Site) -> None:
    """A name that resolves to the internet once, and inside the next time, gains nothing."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    asked: list[str] = []

    def resolve_host(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    client = Web([SITE], Limits(), resolve_host=resolve_host, may_connect=lambda address: address == "127.0.0.1")
    assert fetch(client, site.page("/a", b"words", content_type="text/plain")) == (".txt", b"words")
    assert asked == [SITE]


def test_an_unknown_host_is_reported() -> None:
    def resolve_host(host: str, port: int) -> list[str]:
        raise socket.gaierror("unknown")

    assert refusal(Web([SITE], Limits(), resolve_host=resolve_host), f"http://{SITE}/") == f"{SITE} cannot be found"


def test_what_is_too_large_truncated_compressed_or_an_error_is_refused(site: Site) -> None:
    client = web(Limits(max_bytes=1000))
    assert refusal(client, site.page("/a", b"x" * 1001, content_type="text/plain")) == "larger than 0.001 MB"
    short = site.page("/b", b"x", content_type="text/plain", content_length="100")
    assert refusal(client, short).startswith(("truncated", f"{SITE} does not answer as it should"))
    assert "compressed" in refusal(client, site.page("/c", b"x", content_type="text/plain", content_encoding="gzip"))
    assert refusal(client, site.page("/d", status=500)) == "the server answers with 500"
    with pytest.raises(Gone):
        fetch(client, site.page("/e", status=404))


@pytest.fixture
def dripping(request: pytest.FixtureRequest) -> Iterator[int]:
    """A server that sends what it is given, then a byte now and then, and does not end before any deadline."""
    beginning, drop = request.param
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(beginning)
            ends = time.monotonic() + 4
            while not done.wait(0.02) and time.monotonic() < ends:
                try:
                    connection.sendall(drop)
                except OSError:
                    return

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    done.set()
    listener.close()


@pytest.mark.parametrize(
    "dripping",
    [
        (ANSWER + b"x: ", b"a"),
        (ANSWER + b"content-length: 9999\r\n\r\n", b"a"),
        (ANSWER + b"connection: close\r\n\r\n", b"a"),
        (ANSWER + b"connection: close\r\n\r\n", b""),
        (ANSWER.replace(b"1.1", b"1.0") + b"\r\n", b"a"),
    ],
    ids=["headers", "length", "close", "silence", "http-1.0"],
    indirect=True,
)
def test_a_server_that_drips_is_cut_off(dripping: int) -> None:
    client = web(timeouts=Timeouts(silence_s=10, whole_s=0.3))
    began = time.monotonic()
    assert refusal(client, f"http://{SITE}:{dripping}/") == "takes too long"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("dripping", [(ANSWER + b"x: ", b"a")], indirect=True)
def test_a_server_whose_address_was_long_in_coming_is_not_waited_for(dripping: int) -> None:
    def resolve_host(host: str, port: int) -> list[str]:
        time.sleep(0.4)
        return ["127.0.0.1"]

    timeouts = Timeouts(silence_s=10, whole_s=0.3)
    client = Web([SITE], Limits(), timeouts=timeouts, resolve_host=resolve_host, may_connect=lambda _: True)
    began = time.monotonic()
    assert refusal(client, f"http://{SITE}:{dripping}/") == "takes too long"
    assert time.monotonic() - began < 2


def test_a_server_that_is_silent_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = web(timeouts=Timeouts(silence_s=0.2, whole_s=5))
        assert "does not answer" in refusal(client, f"http://{SITE}:{listener.getsockname()[1]}/")


def test_pages_and_files_are_gathered_and_gone_pages_are_lost(site: Site, tmp_path: Path) -> None:
    (tmp_path / "here.md").write_text("words")
    good = site.page("/guide?v=2", b"<h1>Guide</h1>", content_type="text/html")
    gone, bad = site.page("/gone", status=410), site.page("/bad", status=503)
    spool = tmp_path / "spool"
    spool.mkdir()
    found = gather(["here.md", f"{good}#part", gone, bad], spool, Limits(), web(), tmp_path)
    assert [(source.name, source.kind) for source in found.sources] == [("here.md", ".md"), (good, ".html")]
    assert found.sources[1].path.read_bytes() == b"<h1>Guide</h1>"
    assert [each.name for each in found.skipped] == [bad, gone]
    assert any(root.lost(gone) for root in found.roots)
    assert not any(root.lost(bad) or root.lost(good) for root in found.roots)


def test_a_gone_page_is_lost_though_it_is_all_that_was_named(site: Site, tmp_path: Path) -> None:
    gone, bad = site.page("/gone", status=404), site.page("/bad", status=503)
    for inputs in ([gone], [gone, bad]):
        found = gather(inputs, tmp_path, Limits(), web())
        assert found.sources == ()
        assert [each.name for each in found.skipped] == sorted(inputs)
        assert [root.lost(gone) for root in found.roots] == [True]


def test_inputs_that_all_fail_are_refused_with_the_reasons(site: Site, tmp_path: Path) -> None:
    url = site.page("/a", status=500)
    with pytest.raises(InputError, match="the server answers with 500"):
        gather([url], tmp_path, Limits(), web())
