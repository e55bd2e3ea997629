"""Where a link leads: the hosts that a browser, or a laxer reader, may take it to."""

import html
import re
from functools import lru_cache

from app.hosts import canonical

# Browsers read any number of slashes, of either kind, after these (WHATWG's special schemes).
SPECIAL = ("http", "https", "ws", "wss", "ftp")
# Lead to no host, and run nothing.
_HARMLESS = frozenset(("mailto", "tel", "sms", "cid", "mid", "xmpp", "geo", "callto"))
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]{1,40}):")
_SLASHES = re.compile(r"[/\\]*+")
_END = re.compile(r"[/\\?#]")
_ODD = re.compile(r"[)(\]},;'*|{~!$&=\"]")
_CLOSING = ".,;:!?'\")]}*_~|\u2026\u201d\u2019\u00bb"
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")

# Not a host: what cannot be read as one, or as several, is on no list.
NOWHERE = ""


@lru_cache(maxsize=1)
def suffixes() -> frozenset[str]:
    """The top-level domains of the public suffix list in tldextract, canonical. Nothing is downloaded."""
    import tldextract

    extract = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=(), fallback_to_snapshot=True)
    return frozenset(canonical(suffix.rpartition(".")[2]) for suffix in extract.tlds if suffix)


def has_suffix(host: str) -> bool:
    """Whether a canonical host ends in a known top-level domain."""
    return host.rpartition(".")[2] in suffixes()


def hosts_of(rest: str) -> list[str]:
    """The canonical hosts that what follows a scheme's slashes may lead to; NOWHERE among them for what is no host.
    Empty when nothing stands there."""
    end = _END.search(rest)
    authority = rest[: end.start()] if end else rest
    found = _of_authority(authority, whole=end is None)
    if end and end[0] == "\\":
        # Browsers read a backslash as a slash, RFC 3986 as part of the user's name before the @.
        other = re.split(r"[/?#]", rest, maxsplit=1)[0]
        if "@" in other:
            found.append(_canonical(other.rpartition("@")[2].rstrip(_CLOSING)))
    return found


def _of_authority(authority: str, *, whole: bool) -> list[str]:
    """`whole`: nothing follows it, so that a closing bracket or a full stop after it is the sentence's."""
    if authority.count("@") > 1:
        return [NOWHERE]  # readers differ on which of them counts
    host = authority.rpartition("@")[2]
    if whole and not (host.startswith("[") and host.endswith("]")):
        host = host.rstrip(_CLOSING)
    if host.startswith("["):
        host, bracket, port = host.partition("]")
        return [_canonical(host + bracket) if re.fullmatch(r"(:\d{0,5})?", port) else NOWHERE]
    odd = _ODD.search(host)
    if odd:
        # `example.com](` and `example.com),and` are a host and text; `example.com)x.evil.example` could be one host.
        if "." in host[odd.start() :]:
            return [NOWHERE]
        host = host[: odd.start()]
    name, colon, port = host.partition(":")
    if colon and port and not port.isdecimal():
        return [NOWHERE]
    if not name:
        return [NOWHERE] if "@" in authority or colon else []
    return [_canonical(name)]


def _canonical(host: str) -> str:
    try:
        name = canonical(host)
    except ValueError:
        return NOWHERE
    if not host.rstrip(".。").rpartition(".")[2].isascii() and not has_suffix(name):
        # No space stands between a host and Chinese text. The whole is no public host; its beginning may be one.
        first = re.match(r"[\x21-\x7e]+", host)
        if first and first[0].strip("."):
            return _canonical(first[0].rstrip("."))
    return name


def destination_hosts(destination: str) -> list[str]:
    """The hosts of a link's destination in Markdown or HTML, which may be relative (then there are none) and may hold
    entities, escapes, and white space that browsers ignore."""
    unescaped = html.unescape(destination)
    found: list[str] = []
    for read in {unescaped, _ESCAPE.sub(r"\1", unescaped)}:
        found += _of_destination(re.sub(r"[\t\r\n]", "", read).lstrip("".join(map(chr, range(33)))))
    return found


def _of_destination(address: str) -> list[str]:
    scheme = _SCHEME.match(address)
    if not scheme:
        slashes = _SLASHES.match(address)
        return hosts_of(address[slashes.end() :]) if slashes and slashes.end() > 1 else []
    name, rest = scheme[1].lower(), address[scheme.end() :]
    slashes = _SLASHES.match(rest)
    assert slashes is not None
    if name in SPECIAL or (slashes.end() == 2 and name != "file"):
        return hosts_of(rest[slashes.end() :]) or [NOWHERE]
    return [] if name in _HARMLESS else [NOWHERE]
