"""Web pages of allowed hosts, as documents."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import IO
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from app import hosts
from app.ingest.document import Limits, UnreadableDocument
from app.ingest.parse import SUPPORTED
from app.ingest.remote.addresses import Resolve, is_public, resolve

MAX_REDIRECTS = 5
_CHUNK_BYTES = 65_536
_PORTS = {"http": 80, "https": 443}
_HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "sextant-ingest"}
_LEAST_S = 0.05
_REDIRECTS = (301, 302, 303, 307, 308)

# The parser by the content type that the server names. Plain text, and what says nothing, goes by the URL's suffix:
# servers of repositories send source code and Markdown as text/plain.
_BY_TYPE = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/markdown": ".md",
    "text/x-rst": ".rst",
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/json": ".json",
    "application/jsonl": ".jsonl",
    "application/x-ndjson": ".jsonl",
    "text/x-python": ".py",
    "application/yaml": ".yaml",
}
_UNSPECIFIC = ("text/plain", "application/octet-stream", "binary/octet-stream", "application/x-yaml", "")


class Gone(UnreadableDocument):
    """The server says that there is no such page (any more)."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds."""

    silence_s: float = 15  # without a byte
    whole_s: float = 120  # for a page with its redirects


class Web:
    """Fetches pages over HTTP and HTTPS.

    `allowed` are hosts in their canonical form (see `app.hosts`); hosts below them are allowed too. A host is resolved
    once, its addresses are checked, and the connection goes to the address that was checked: a name that resolves
    differently the next time gains nothing. No proxy of the environment is used, no cookie kept, nothing sent but the
    request.
    """

    def __init__(
        self,
        allowed: Collection[str],
        limits: Limits,
        *,
        timeouts: Timeouts | None = None,
        resolve_host: Resolve = resolve,
        may_connect: Callable[[str], bool] = is_public,
    ) -> None:
        self._allowed = frozenset(allowed)
        self._limits = limits
        self._timeouts = timeouts or Timeouts()
        self._resolve = resolve_host
        self._may_connect = may_connect
        self._tls = ssl.create_default_context()

    def fetch(self, url: str, target: IO[bytes]) -> str:
        """Write a page into `target`; returns the suffix that names its parser.

        Raises Gone, or UnreadableDocument with the reason.
        """
        deadline = time.monotonic() + self._timeouts.whole_s
        for _ in range(MAX_REDIRECTS + 1):
            parts = self._checked(url)
            with self._request(parts, deadline) as response:
                if response.status in _REDIRECTS and (location := response.headers.get("location")):
                    url = _joined(url, location)
                    continue
                return self._read(response, parts, target, deadline)
        raise UnreadableDocument(f"more than {MAX_REDIRECTS} redirects")

    def _checked(self, url: str) -> SplitResult:
        try:
            parts = urlsplit(url)
            if parts.scheme not in _PORTS:
                raise UnreadableDocument("leads to something else than http and https")
            host, _ = parts.hostname or "", parts.port
            name = hosts.canonical(_in_brackets(host))
        except ValueError:  # a port that is none, a host that is none, brackets that do not close
            raise UnreadableDocument("not a URL that can be read") from None
        if "@" in parts.netloc:
            raise UnreadableDocument("a user name in a URL is not taken")
        if not hosts.is_within(name, self._allowed):
            raise UnreadableDocument(f"{name} is no allowed host; allow it with --allow-host")
        return parts

    def _address(self, host: str, port: int) -> str:
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError):
            raise UnreadableDocument(f"{host} cannot be found") from None
        # One private address among public ones is how a name is rebound; no honest site has one.
        if not addresses or not all(map(self._may_connect, addresses)):
            raise UnreadableDocument(f"{host} is not on the public internet")
        return addresses[0]

    @contextmanager
    def _request(self, parts: SplitResult, deadline: float) -> Iterator[http.client.HTTPResponse]:
        host = hosts.canonical(_in_brackets(parts.hostname or ""))
        standard = _PORTS[parts.scheme]
        port = parts.port or standard
        connection = http.client.HTTPConnection(host, port)
        connection.default_port = standard  # which Host does not name
        sock: socket.socket | None = None
        # Timeouts of a socket begin anew with each byte: a server that drips is cut off here. Not by connection.sock:
        # that is None as soon as a response has begun that ends with the connection.
        watch = threading.Timer(_left(deadline), lambda: _cut(sock))
        watch.daemon = True
        watch.start()
        try:
            address = self._address(host.strip("[]"), port)
            timeout = min(self._timeouts.silence_s, _left(deadline))
            connection.sock = sock = socket.create_connection((address, port), timeout=timeout)
            if parts.scheme == "https":
                connection.sock = sock = self._tls.wrap_socket(
                    sock, server_hostname=host.strip("[]"), do_handshake_on_connect=False
                )
            _check_time(deadline)  # the watch may have found nothing to cut
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            connection.request("GET", _target(parts), headers=_HEADERS)
            with connection.getresponse() as response:
                yield response
        except (OSError, http.client.HTTPException) as error:
            slow = _left(deadline) <= _LEAST_S
            raise UnreadableDocument("takes too long" if slow else f"{host} does not answer as it should") from error
        finally:
            watch.cancel()
            connection.close()

    def _read(self, response: http.client.HTTPResponse, parts: SplitResult, target: IO[bytes], deadline: float) -> str:
        if response.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            raise Gone(f"the server says that it is gone ({response.status})")
        if response.status != HTTPStatus.OK:
            raise UnreadableDocument(f"the server answers with {response.status}")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise UnreadableDocument("the server sends it compressed, unasked")
        suffix = _suffix(response.headers.get("content-type", ""), parts.path)
        size = 0
        while piece := response.read1(_CHUNK_BYTES):
            size += len(piece)
            if size > self._limits.max_bytes:
                raise UnreadableDocument(f"larger than {self._limits.max_bytes / 1e6:g} MB")
            target.write(piece)
            _check_time(deadline)
        _check_time(deadline)  # when it was cut off, that looks like the end of a page without a length
        if response.length:
            raise UnreadableDocument("truncated: the connection broke")
        return suffix


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:  # brackets that do not close, or hold no address
        raise UnreadableDocument("leads to something that is no URL") from None


def _in_brackets(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _target(parts: SplitResult) -> str:
    """What stands in the request's line. What is encoded already stays."""
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    return f"{path}?{quote(parts.query, safe='/%:@!$&()*+,;=~?')}" if parts.query else path


def _left(deadline: float) -> float:
    return max(_LEAST_S, deadline - time.monotonic())


def _check_time(deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise UnreadableDocument("takes too long")


def _cut(sock: socket.socket | None) -> None:
    try:
        if sock is not None:
            sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended in this moment


def _suffix(content_type: str, path: str) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    of_path = PurePosixPath(path).suffix.lower()
    if kind in _UNSPECIFIC or (kind.startswith("text/x-") and kind not in _BY_TYPE):
        if of_path in SUPPORTED and not (kind == "text/plain" and of_path in (".pdf", ".docx")):
            return of_path
        if kind == "text/plain":
            return ".txt"
    elif kind in _BY_TYPE:
        return _BY_TYPE[kind]
    raise UnreadableDocument(f"unsupported content type {kind or '(none)'}")
