"""Hosts as browsers read them; the expected values are those of the WHATWG's URL standard."""

import pytest

from app.hosts import canonical, is_within


@pytest.mark.parametrize(
    ("host", "read"),
    [
        ("EXAMPLE.com", "example.com"),
        ("example.com.", "example.com"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("fa\u00df.de", "xn--fa-hia.de"),
        ("ex%61mple.com", "example.com"),
        ("\uff45xample\uff0ecom", "example.com"),
        ("example\u3002com", "example.com"),
        ("ex\u200bample.com", "example.com"),
        ("127.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("127.1.", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[0:0:0:0:0:0:0:1]", "[::1]"),
        ("a_b.example", "a_b.example"),
    ],
)
def test_the_same_host_is_the_same(host: str, read: str) -> None:
    assert canonical(host) == read


@pytest.mark.parametrize(
    "host",
    ["", ".", "a..b", "a b", "a/b", "a%2fb", "a%00b", "a%zz", "1.2.3.256", "1.2.3.4.5", "0x100000000", "[::1", "[1.2]",
     "[fe80::1%25eth0]", "a:b", "a\ud800b", "x" * 5000, "1" * 4000],
)  # fmt: skip
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (of several kinds: IDNA's, ipaddress's)
        canonical(host)


def test_below_is_within_and_beside_is_not() -> None:
    allowed = {"example.com", "10.0.0.1"}
    assert is_within("example.com", allowed)
    assert is_within("a.b.example.com", allowed)
    assert is_within("10.0.0.1", allowed)
    assert not is_within("badexample.com", allowed)
    assert not is_within("example.com.evil.org", allowed)
    assert not is_within("com", allowed)
    assert not is_within("9.10.0.0.1", allowed)
