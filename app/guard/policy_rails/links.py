"""Links in a text: URLs, Markdown's and HTML's destinations, hosts that somebody would make a link of.

Every pattern here reads a character a bounded number of times: quantifiers are possessive or bounded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.guard.policy_rails.authority import (
    NOWHERE,
    SPECIAL,
    destination_hosts,
    has_suffix,
    hosts_of,
)
from app.hosts import canonical, is_address

LONGEST = 2048  # characters of a link that are read

# How surely somebody who reads the text, or a client that shows it, follows it.
A_LINK = 1.0
A_HOST_AND_PATH = 0.8  # example.com/path
A_HOST = 0.6  # example.com
NONE_PERHAPS = 0.3  # README.md, foo.bar(), "done.In", 1.2.3.4: below the usual threshold

# What linkify-it, which many Markdown clients use, makes a link of without a scheme: these, and two letters or no
# ASCII.
_FUZZY = frozenset("biz com edu gov net org pro web xxx aero asia coop info museum name shop".split())
# Top-level domains that are file endings or, in "done.In", the next sentence's first word.
_FILE_ENDINGS = frozenset("am bz cc cfd gs in la md ml mm mov pl pm ps pub py rs sc sh so st tf vi zip".split())
_WORDS = frozenset("am as at be by do gt id in is it la me my no pm so st to us vi no new one now how you".split())

_PATH_OR_CODE = ("/", "\\", ".", "~", "$", "_", "`")  # before a name

_COLON = re.compile(r":(?=[^\s:])")
# Two letters at least: C:\\ is a drive.
_SCHEME_BEFORE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]+\Z")
_SLASHES = re.compile(r"[/\\]*+")
# Invisible characters end a URL here; that browsers leave them out is what `views.plain` is for.
_RUN = re.compile('[^\\s<>"`\x00-\x20\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]*+')
_SCRIPT = re.compile(r"(?:javascript|vbscript)\Z", re.I)
_DATA = re.compile(r":(?:[a-z]{1,20}/[a-z0-9.+\-]{1,60})?[;,]\S", re.I)
_FROM_THE_ROOT = re.compile(r"(?<![:/\\\w])[/\\]{2}(?=[\w\[%])")
_NAME = re.compile(r"(?<![\w\-])[\w\-]++(?:[.。][\w\-]++)++")
_ASCII_NAME = re.compile(r"(?<![A-Za-z0-9\-])[A-Za-z0-9\-]++(?:\.[A-Za-z0-9\-]++)++")
_DESTINATIONS = re.compile(
    r"\]\(\s{0,10}+(?:<(?P<angled>[^<>\n]{1,2048}+)>?|(?P<inline>[^\s<>]{1,2048}+))"
    r"|^[ >]{0,20}+\[[^\]\n]{1,300}+\]:\s{0,10}+<?(?P<reference>[^\s<>]{1,2048}+)"
    r"|\b(?:href|src|srcset|action|formaction|poster|data|cite|background)\s{0,10}+=\s{0,10}+"
    r"(?:\"(?P<quoted>[^\"]{1,2048}+)|'(?P<single>[^']{1,2048}+)|(?P<bare>[^\s\"'<>]{1,2048}+))"
    r"|\burl\(\s{0,10}+[\"']?(?P<css>[^)\"'\s]{1,2048}+)",
    re.M | re.I,
)


@dataclass(frozen=True, slots=True)
class Link:
    """`hosts`: all that it may lead to, canonical; NOWHERE where that is no host (scripts, files, nonsense)."""

    start: int
    end: int
    hosts: tuple[str, ...]
    sure: float


def links(text: str) -> Iterator[Link]:
    """All links, those that are certain first. None has no host: relative ones are left out."""
    covered = [*_urls(text)]
    yield from covered
    yield from _destinations(text)
    yield from _names(text, covered)


def _urls(text: str) -> Iterator[Link]:
    until = 0
    for colon in _COLON.finditer(text):
        at = colon.start()
        if at < until and text[max(0, at - 32) : at].rstrip("htpswfHTPSWF")[-1:] in ("/", "=", "%", "&"):
            continue  # in the path or query of the URL that was just read
        before = _SCHEME_BEFORE.search(text, max(0, at - 32), at)
        if not before:
            continue
        link = _url(text, before.start(), at)
        if link:
            until = max(until, link.end)
            yield link
    for slashes in _FROM_THE_ROOT.finditer(text):
        found = hosts_of(text[slashes.end() : _end(text, slashes.end())])
        if any(is_address(host) or has_suffix(host) for host in found if "." in host):
            yield Link(slashes.start(), _end(text, slashes.end()), tuple(found), A_LINK)


def _url(text: str, start: int, colon: int) -> Link | None:
    scheme = text[start:colon].lower()
    if _SCRIPT.search(scheme) or (scheme == "data" and _DATA.match(text, colon)):
        return Link(start, _end(text, colon), (NOWHERE,), A_LINK)
    slashes = _SLASHES.match(text, colon + 1)
    assert slashes is not None
    count = slashes.end() - slashes.start()
    special = scheme.endswith(SPECIAL)
    if not special and count < 2:
        return None
    end = _end(text, slashes.end())
    if scheme == "file":
        return Link(start, end, (NOWHERE,), A_LINK)
    if count > 2 and not special:
        return None  # sqlite:///file.db
    found = hosts_of(text[slashes.end() : end])
    if count == 0 and not any(is_address(host) or ("." in host and has_suffix(host)) for host in found):
        return None  # "http:the protocol"
    return Link(start, end, tuple(found), A_LINK) if found else None


def _destinations(text: str) -> Iterator[Link]:
    for match in _DESTINATIONS.finditer(text):
        kind = match.lastgroup
        assert kind is not None
        found = destination_hosts(match[kind])
        if found:
            yield Link(match.start(kind), _trimmed(text, *match.span(kind)), tuple(found), A_LINK)


def _names(text: str, covered: list[Link]) -> Iterator[Link]:
    until = iter(sorted((link.start, link.end) for link in covered))
    inside = next(until, None)
    for name in _NAME.finditer(text):
        while inside and inside[1] <= name.start():
            inside = next(until, None)
        if inside and inside[0] <= name.start():
            continue
        if name[0].isascii():
            link = _name(text, *name.span())
        else:
            parts = [_name(text, *part.span()) for part in _ASCII_NAME.finditer(text, *name.span())]
            link = next((part for part in parts if part), None) or _name(text, *name.span())
        if link:
            yield link


def _name(text: str, start: int, end: int) -> Link | None:
    """A host without a scheme. `...@host` is an e-mail address, unless it begins with `www.`, which many read as
    http://www."""
    name, after = text[start:end], text[end : end + 1]
    www = name[:4].lower() == "www."
    if (after == "@" and not www) or text[max(0, start - 1) : start] == "@" or len(name) > LONGEST:
        return None
    if "。" in name and not name.replace("。", "").isascii():
        return None  # a full stop between Chinese sentences
    if www or after in ("/", "\\", "?", "#"):
        until = _end(text, start)
        found = hosts_of(text[start:until])
    else:
        until = end
        try:
            found = [canonical(name.strip("-_"))]
        except ValueError:
            return None
    host = found[0] if found else NOWHERE
    if not www and not (is_address(host) or has_suffix(host)):
        return None
    followed = after == "/" or (after == ":" and text[end + 1 : end + 2].isdigit())
    return Link(start, until, tuple(found), A_LINK if www else _sureness(text, start, name, host, followed))


def _sureness(text: str, start: int, name: str, host: str, followed: bool) -> float:
    end, last = start + len(name), name.rpartition(".")[2]
    unlikely = text[max(0, start - 1) : start] in _PATH_OR_CODE or text[end : end + 1] in ("(", "=", "`")
    if is_address(host):
        return A_HOST_AND_PATH if followed and not unlikely and host == name else NONE_PERHAPS
    if not followed:
        fuzzy = last.lower() in _FUZZY or len(last) == 2 or not last.isascii() or last.lower().startswith("xn--")
        sentence = last.istitle() and last.lower() in _WORDS
        unlikely = unlikely or not fuzzy or sentence or last.lower() in _FILE_ENDINGS
    if unlikely:
        return NONE_PERHAPS
    return A_HOST_AND_PATH if followed else A_HOST


def _end(text: str, start: int) -> int:
    """Where a URL ends: at white space and what cannot be in one, without the sentence's full stop."""
    run = _RUN.match(text, start, min(len(text), start + LONGEST))
    assert run is not None
    return _trimmed(text, start, run.end())


def _trimmed(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1] in ".,;:!?'*_~|":
        end -= 1
    for opening, closing in ("()", "[]", "{}"):
        if (
            end > start
            and text[end - 1] == closing
            and text.count(opening, start, end) < text.count(closing, start, end)
        ):
            end -= 1
    return max(end, min(start + 1, len(text)))
