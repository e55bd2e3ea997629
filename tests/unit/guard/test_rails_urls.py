"""Links: whatever a reader may be taken to is on the list, or the link is a hit."""

import random
import time

import pytest

from app.config.policy import UrlSettings
from app.guard.policy_rails.urls import UrlRail
from app.guard.types import Hit

RAIL = UrlRail(UrlSettings(allow=("allowed.com", "b\u00fccher.example", "10.0.0.1", "localhost")))


def counted(text: str) -> list[Hit]:
    return [hit for hit in RAIL.examine([text])[0] if hit.score >= 0.5]


@pytest.mark.parametrize(
    "link",
    [
        "http://evil.com",
        "HTTP://EVIL.COM/x?y=1",
        "www.evil.com",
        "evil.com/path",
        "evil.com",
        "http:evil.com",
        "http:/evil.com",
        "http:\\\\evil.com",
        "//evil.com/x",
        "ftp://evil.com/x",
        "wss://evil.com",
        "myapp://evil.com",
        "foo-http:///evil.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:text/html;base64,PHNjcmlwdD4=",
        # who the user is, and who the host
        "http://allowed.com@evil.com",
        "http://allowed.com:80@evil.com/",
        "http://allowed.com%2f@evil.com",
        "http://a@allowed.com@evil.com",
        "http://user:pa[ss@evil.com",
        "www.allowed.com@evil.com",
        # where the host ends
        "http://evil.com\\@allowed.com",
        "http://allowed.com\\@evil.com",
        "http://evil.com#@allowed.com",
        "http://evil.com?@allowed.com",
        "http://evil.com%2f.allowed.com",
        "http://evil.com\uff0f.allowed.com",
        "http://evil.com;allowed.com",
        "http://allowed.com,evil.com",
        "http://allowed.com)evil.com",
        "http://allowed.com.evil.com",
        "http://evilallowed.com",
        # how the host is written
        "http://%65vil.com",
        "http://evil\u3002com",
        "http://\uff45\uff56\uff49\uff4c\uff0ecom",
        "http://\u0430llowed.com/",  # a Cyrillic a
        "http://xn--80ak6aa92e.com/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.1",
        "http://[::1]/",
        "http://[::ffff:1.2.3.4]:80/x",
        # invisible characters
        "http://ev\u200bil.com",
        "http://allowed.com\u200bevil.com",
        "http://al\u00adlowed.com.evil\u2060.com",
        "\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444",
        # the longer host may be somebody's
        "http://allowed.com\u3002\u4e2d\u56fd",
    ],
)
def test_a_link_elsewhere_is_a_hit_with_its_span(link: str) -> None:
    for before, after in (("", ""), ("see ", " now"), ("(", ")"), ("**", "**"), ("\u770b ", ".")):
        text = before + link + after
        hits = counted(text)
        assert hits, text
        assert {hit.rule for hit in hits} == {"url"}
        assert (hits[0].start, max(hit.end for hit in hits)) == (len(before), len(before) + len(link)), text


@pytest.mark.parametrize(
    "text",
    [
        "[x](http://evil.com)",
        "![x](https://evil.com/a.png?d=secret)",
        "[http://allowed.com](http://evil.com)",
        "[x](<http://evil.com>)",
        "[x](https&#58;//evil.com)",
        "[x](https\\://evil.com)",
        "[x](//evil.com/x)",
        "[x](\\\\evil.com)",
        "[x](/\\evil.com)",
        "[x](javascript:alert(1))",
        "[x](JaVa&Tab;script:alert(1))",
        "[x](vbscript:x)",
        "[x](data:text/html,x)",
        "[x]: //evil.com/x",
        "[x]: http&#x3a;//evil.com",
        '<a href="ht&#10;tp://evil.com">x</a>',
        "<img src=//evil.com/x.png>",
        "<img src='\nhttps://evil.com'>",
        "<div style='background:url(//evil.com/x)'>",
        "<http://evil.com>",
        "http://allowed.com/) http://evil.com",
        "http://evil.com\u200b.allowed.com",  # for who stops at the invisible character
        "\u770bevil.com\u7684",
        "https://user@evil.com:8080/x, https://allowed.com",
    ],
)
def test_so_is_one_in_markup(text: str) -> None:
    assert counted(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://allowed.com",
        "(see https://docs.allowed.com/a_(b).)",
        "[x](https://allowed.com/y) and [http://allowed.com](http://allowed.com)",
        '`http://allowed.com` *http://allowed.com* <http://allowed.com> "http://allowed.com"',
        "http://allowed.com:8080/x?u=http://evil.com",
        "http://user@allowed.com/",
        "http://b\u00fccher.example/ and http://xn--bcher-kva.example",
        "http://10.0.0.1:80/x and http://0xa.1",
        "http://localhost:3000/",
        "mail bob@evil.com please, [x](mailto:bob@evil.com)",
        "[y](/rel/path) [z](#frag) [w](page.md) [v](../x.png)",
        "README.md and main.rs, setup.py, node.js, e.g. this, i.e. that, v1.2.3.4, 3.14159",
        "I am done.In the end it is.So what",
        "// a comment",
        "JavaScript: the good parts, data: 5, http: the protocol, https://, x:y, 10:30",
        "\u8bf7\u770b https://allowed.com\u3002\u8c22\u8c22\u4f60\u3002",
        "\u8bf7\u770bhttps://allowed.com\u7684\u7f51\u7ad9",
        "\u6211\u7231\u4f60\u3002\u4e2d\u56fd",
        '{"text": "see http://allowed.com\\nNext"}',
        "sqlite:///file.db a::b std::vec",
        "C:\\\\Users\\\\me\\\\file.txt C:\\Users\\x",
        "foo.bar(baz.qux) self.assertEqual(x.y.z) os.path.join user.name=1",
        "",
        "\ud800" * 1000,
        "\u200b" * 1000,
        "\x00" * 1000,
        "0" * 100_000,
    ],
)
def test_what_is_listed_or_no_link_passes(text: str) -> None:
    assert counted(text) == []


def test_what_may_be_a_file_has_a_low_score() -> None:
    ((readme,), (host,), (path,), (url,)) = RAIL.examine(["README.md", "evil.com", "evil.com/x", "http://evil.md"])
    assert readme.score < 0.5 < host.score < path.score < url.score == 1.0


def test_nothing_is_allowed_when_nothing_is_listed() -> None:
    rail = UrlRail(UrlSettings(allow=()))
    assert [len(hits) for hits in rail.examine(["https://example.com", "no link"])] == [1, 0]


def test_more_links_than_are_counted_end_in_one_hit_for_the_rest() -> None:
    text = "http://evil.com " * 1000
    hits = RAIL.examine([text])[0]
    assert len(hits) == 200
    assert hits[-1].end == len(text)


LETTERS = "".join(chr(code) for code in range(0x4E00, 0x4E00 + 2000))


@pytest.mark.parametrize(
    "unit",
    ["a", "a.", ".", ":", "a:", "/", "\\", "//a ", "http://", "](", "](<", "href=", "url(", "[", "\n[a]:", "a@",
     "\u200b", "\u597d\u3002", "http://" + "%41" * 900 + " ", "http://" + LETTERS + " ", "[x](" + "&#58;" * 300 + ") ",
     "http://a.com/" + "(" * 900 + " ", "a\u0301\u0323", "a" * 60 + ".", "evil.com ", "data:", "``` "],
    ids=lambda unit: ascii(unit[:12]),
)  # fmt: skip
def test_time_is_linear(unit: str) -> None:
    text = unit * (300_000 // len(unit))
    started = time.thread_time()
    hits = RAIL.examine([text])[0]
    assert time.thread_time() - started < 3
    assert len(hits) <= 200


def test_a_megabyte_takes_a_moment() -> None:
    started = time.thread_time()
    assert len(RAIL.examine(["see http://evil.com and evil.com/x, \u200b[y](//evil.com)\n" * 20_000])[0]) == 200
    assert time.thread_time() - started < 8


def test_noise_neither_throws_nor_leaves_the_text() -> None:
    noise = random.Random(7)  # the same each time
    pieces = [
        "http://", "//", "\\", "@", ":", ".", "com", "[", "]", "(", "<", "%", "%4", "\u200b", "\ud800", "\u3002",
        "&#", "xn--", "0x", "1", " ", "\n", "javascript:", "a", "\u00df", "\U0001f600", "?", "#", "](",
    ]  # fmt: skip
    for _ in range(3000):
        text = "".join(noise.choice(pieces) for _ in range(noise.randrange(1, 14)))
        for hit in RAIL.examine([text])[0]:
            assert 0 <= hit.start < hit.end <= len(text), ascii(text)
