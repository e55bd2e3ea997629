"""A URL's host, as browsers read it: the host parser of the WHATWG's URL standard, as far as comparing needs it.

Left out is what only makes hosts invalid (lengths of labels, IDNA2008's rules of context): a host that is compared with
a list may be invalid and is then not on it.
"""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import unquote

import idna

# A domain has 253 characters; each may stand as three of percent-encoding, of up to four bytes.
LONGEST = 4096
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f#%/:<>?@\[\\\]^|]")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")


def canonical(host: str) -> str:
    """In ASCII, lower case, without a last dot: `BÜCHER.example.` is `xn--bcher-kva.example`, 0x7f.1 is 127.0.0.1, and
    an IPv6 address stands in brackets. Raises ValueError for what is no host."""
    if len(host) > LONGEST:
        raise ValueError("a host is not that long")
    if host.startswith("["):
        if not host.endswith("]") or "%" in host:
            raise ValueError("an IPv6 address stands in brackets, without a zone")
        return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
    mapped = idna.uts46_remap(unquote(host, errors="strict"), std3_rules=False)
    labels = [
        label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii") for label in mapped.split(".")
    ]
    if len(labels) > 1 and not labels[-1]:
        labels.pop()
    name = ".".join(labels)
    if not all(labels) or _FORBIDDEN.search(name):
        raise ValueError("not a host")
    return _ipv4(labels) if _NUMBER.fullmatch(labels[-1]) else name


def is_address(host: str) -> bool:
    """Whether a canonical host is an IP address."""
    return host.startswith("[") or host.rpartition(".")[2].isdigit()


def is_within(host: str, allowed: Collection[str]) -> bool:
    """Whether a canonical host is one of `allowed` (canonical too), or below one of them."""
    if host in allowed:
        return True
    if is_address(host):
        return False
    while host := host.partition(".")[2]:
        if host in allowed:
            return True
    return False


def _ipv4(parts: list[str]) -> str:
    """Decimal, octal or hexadecimal; the last part fills what the others leave."""
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) and len(part) < 20 for part in parts):
        raise ValueError("neither a domain nor an IPv4 address")
    numbers = [_number(part) for part in parts]
    if any(number > 255 for number in numbers[:-1]) or numbers[-1] >= 256 ** (5 - len(numbers)):
        raise ValueError("not an IPv4 address")
    value = numbers[-1] + sum(number << 8 * (3 - place) for place, number in enumerate(numbers[:-1]))
    return str(ipaddress.IPv4Address(value))


def _number(part: str) -> int:
    if part[:2] in ("0x", "0X"):
        return int(part[2:] or "0", 16)
    return int(part, 8 if part.startswith("0") else 10)
