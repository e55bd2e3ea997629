"""E-mail addresses, spelled out ones too."""

import functools
import re
import unicodedata
from collections.abc import Iterator

import re2
import tldextract

from app.guard.types import Hit

ENTITY = "EMAIL_ADDRESS"

# RFC 5321's local part without quotes, with letters of all scripts (RFC 6531), and its bounds.
_LOCAL, _DOMAIN = 64, 255
_SIGNS = frozenset("!#$%&'*+/=?^_`{|}~.-")
_SPELLED = re2.compile(
    r"(?i)\b[a-z0-9_.+-]+(?: (?:dot|punkt) [a-z0-9_+-]+)*(?: ?[\[({] ?at ?[\])}] ?| at )[a-z0-9-]+"
    r"(?:(?: ?[\[({] ?dot ?[\])}] ?| dot | punkt )[a-z0-9-]+)+\b"
    r"|\b[a-z0-9_.+-]+ ?[\[({] ?at ?[\])}] ?[a-z0-9-]+(?:\.[a-z0-9-]+)+\b"
)
_VERSION = re.compile(r"v?\d+(?:\.\d+)*\.x")  # actions/setup@v4.x
# A URL's host with its port, behind which comes a path rather than a password.
_PORT = re.compile(r"[^/?#@:]*:\d{1,5}[/?#]")
# Not registered, but what documents and tests use (RFC 2606, RFC 6762), and networks inside companies.
_RESERVED = frozenset("example test invalid localhost local internal intranet corp lan home".split())
# What a file or a package is called, rather than a host.
_FILES = frozenset(
    "png jpg jpeg gif svg webp js ts jsx tsx css json yaml yml toml txt log csv pdf html xml exe dll tar zip".split()
)
_OPENING = frozenset("'`*_{|/=!#$%&~^?.-")  # may begin an address, but rather quotes one


@functools.cache
def _suffixes() -> tuple[tldextract.TLDExtract, frozenset[str]]:
    """The public-suffix list in the package, and its top-level domains: nothing is fetched."""
    extract = tldextract.TLDExtract(suffix_list_urls=(), fallback_to_snapshot=True, cache_dir=None)
    return extract, frozenset(suffix for suffix in extract.tlds if "." not in suffix)


def find_emails(text: str) -> Iterator[Hit]:
    """0.95 with a domain of the public-suffix list, 0.6 with another; 0.7 where it is spelled out."""
    at = text.find("@")
    while at >= 0:
        start, end = _local(text, at), _domain(text, at)
        top = text[at + 1 : end].rpartition(".")[2].lower()
        if start < at and end and any(map(str.isalpha, top)) and top not in _FILES and not _is_login(text, start):
            known = top in _suffixes()[1] or top in _RESERVED or top.startswith("xn--")
            if known or not _VERSION.fullmatch(text, at + 1, end):
                yield Hit(ENTITY, 0.95 if known else 0.6, start, end)
        at = text.find("@", at + 1)
    if any(sign in text for sign in ("dot", "DOT", "Dot", "punkt", ")", "]", "}")):
        for match in _SPELLED.finditer(text):
            if _is_suffix(match[0]):
                yield Hit(ENTITY, 0.7, *match.span())


def _local(text: str, at: int) -> int:
    """Where the local part before an @ begins; `at` when there is none.

    What a URL is made of may stand in a local part, and stands before it far more often.
    """
    start = at
    while start > 0 and at - start < _LOCAL and _is_part(text[start - 1]):
        start -= 1
    start = max(start, *(text.rfind(sign, start, at) + 1 for sign in "/?&"))
    key = text.find("=", start, at)
    if key > 0 and text[start:key].replace("_", "").isalpha():
        start = key + 1  # email=ann@example.com; lists write bounce+ann=example.com@example.org
    while start < at and text[start] in _OPENING:
        start += 1
    quoted = text.rfind("'", start, at)  # 'From: 'ann@example.com
    return start if quoted < 0 or quoted > start + 1 or at - quoted < 2 else quoted + 1


def _is_part(sign: str) -> bool:
    return sign.isalnum() or sign in _SIGNS or unicodedata.category(sign)[0] == "M"


def _domain(text: str, at: int) -> int:
    """Where the domain behind an @ ends; 0 when it has less than two labels."""
    end = at + 1
    while end < len(text) and end - at <= _DOMAIN:
        sign = text[end]
        if not (sign.isalnum() or sign in ".-" or (not sign.isascii() and unicodedata.category(sign)[0] == "M")):
            break
        end += 1
    while end > at + 1 and text[end - 1] in ".-":
        end -= 1
    domain = text[at + 1 : end]
    cut = domain.find("..")
    if cut >= 0:
        end, domain = at + 1 + cut, domain[:cut]
    return end if "." in domain and domain[0] not in ".-" else 0


def _is_login(text: str, start: int) -> bool:
    """Whether it is a URL's user or password rather than a mailbox: postgres://user:password@host."""
    before = text[max(0, start - 100) : start].split()
    if start == 0 or text[start - 1] not in ":/" or not before or "://" not in before[-1]:
        return False
    # Behind the host comes the path, where mailboxes may stand; a password may hold such signs as well.
    host = before[-1].rpartition("://")[2]
    return not any(sign in host for sign in "/?#") or (":" in host.split("/")[0] and not _PORT.match(host))


def _is_suffix(spelled: str) -> bool:
    return re.split(r"[\s\])}.]+", spelled.rstrip("])} "))[-1].lower() in _suffixes()[1]
