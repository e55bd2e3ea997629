"""IP addresses."""

# ruff: noqa: E501 - forms and lists of words read best on one line, and hold signs of all scripts

import ipaddress
import re
from collections.abc import Iterator

from app.guard.types import Hit

ENTITY = "IP_ADDRESS"

_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_QUAD = rf"(?:{_OCTET}\.){{3}}{_OCTET}"
# A port, the length of a network or the end of a range may follow; a fifth number may not.
_V4 = re.compile(rf"(?<![\w.+-])({_QUAD})(?:-({_QUAD}))?(?![\w+]|\.\d|-[a-z0-9])", re.ASCII)
_V6 = re.compile(
    r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|(?:\d{1,3}\.){3}\d{1,3})?(?![\w:])", re.ASCII
)
_VERSION = re.compile(
    r"(?:\bv|\bver|\bver\.|version|versions|release|releases|build|firmware|driver|patch|update|upgrade[ds]?|section|sec\.|§|"
    r"chapter|clause|article|figure|fig\.|table|paragraph|requirement|standard|oid|chrome|firefox|edge|safari|assembly|"
    r"nuget|upgraded? to|downgraded? to)(?:\.\w{1,12})?s?[ :=(/\"'`<>]{0,3}(?:(?:is|to|of|from|number|no\.?|at|than|before|after|since|below|above|and) )?v?$"
)
_ADDRESS = re.compile(
    r"\bips?\b|\baddress|\bhost|\bserver|\bping|\bnode\b|\bsubnet|\bgateway|\bfirewall|\bssh\b|\bdns\b"
)


# Every machine's own, all and none, and masks of networks: nobody's.
_NOBODYS = re.compile(r"127\.\d+\.\d+\.\d+|0\.0\.0\.0|255\.255\.\d+\.\d+|::1?|0:0:0:0:0:0:0:[01]")


def find_ips(text: str) -> Iterator[Hit]:
    """0.9. Versions are told by the word before them. Addresses that are nobody's (this machine, a mask) are none."""
    if text.count(".") >= 3:
        for match in _V4.finditer(text):
            before = text[max(0, match.start() - 40) : match.start()].lower()
            if _VERSION.search(before) and not _ADDRESS.search(before[-16:]):
                continue
            for group in (1, 2):
                if match[group] and not _NOBODYS.fullmatch(match[group]):
                    yield Hit(ENTITY, 0.9, *match.span(group))
    if text.count(":") >= 2:
        for match in _V6.finditer(text):
            value = match[0]
            groups = [group for group in value.split(":") if group]
            if not _is_v6(value):
                continue
            # C++ and Rust write names with `::` between: `a::b`, and so do times with their colons.
            if _NOBODYS.fullmatch(value):
                continue
            if len(groups) < 3 and not any(sign.isdigit() for sign in value):
                continue
            if len(groups) < 2:
                continue
            yield Hit(ENTITY, 0.9, *match.span())


def _is_v6(value: str) -> bool:
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return False
    return True
