"""Lines of `sextant guard test --json`: whatever stands in them, and however they come."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app.cli.guard_lines import LINES_AT_ONCE, LONGEST_LINE, Count, Labelled, answers, line_of, portions
from app.guard.explain import Explained


class Passing:
    """Flags nothing, and notes which texts came together."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def explain(self, texts: Sequence[str]) -> list[Explained]:
        self.calls.append(list(texts))
        return [Explained((), text, ()) for text in texts]


def reading(*pieces: bytes) -> Callable[[int], bytes]:
    """What gives these pieces one by one, and then the end."""
    left = iter([*pieces, b""])
    return lambda size: next(left)


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_what_is_there_is_read_together_and_what_comes_later_is_not_waited_for() -> None:
    many = b"x\n" * (LINES_AT_ONCE + 3)
    assert [len(portion) for portion in portions(reading(b"a\n", many, b"b\nha", b"lf\nend"))] == [
        1,
        LINES_AT_ONCE,
        3,
        1,
        1,
        1,
    ]
    assert list(portions(reading(b"a\nha", b"lf\nend"))) == [[b"a"], [b"half"], [b"end"]]
    assert list(portions(reading())) == []


def test_a_line_without_an_end_stays_bounded() -> None:
    piece = b"x" * (LONGEST_LINE // 2)
    (portion,) = [p for p in portions(reading(piece, piece, piece, piece, b"\n")) if p]
    assert [len(raw) for raw in portion] == [LONGEST_LINE + 1]
    with pytest.raises(ValueError, match="too long"):
        line_of(portion[0])


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"{", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"\xff", "no JSON"),
        (b"[]", '"text"'),
        (b"null", '"text"'),
        (b'{"txt": "x"}', '"text"'),
        (b'{"text": 5}', '"text"'),
        (b'{"text": null}', '"text"'),
        (b'{"text": "x", "label": "evil"}', '"label"'),
        (b'{"text": "x", "label": ["attack"]}', '"label"'),
        (b'{"text": "x", "category": 5}', '"category"'),
    ],
)
def test_what_holds_no_text_gets_an_error_in_its_place(raw: bytes, what: str) -> None:
    check = Passing()
    first, second, third = answers(check, [line(text="a"), raw, b" ", line(text="b")], Labelled())

    assert what in second["error"]
    assert [first["masked"], third["masked"]] == ["a", "b"]
    assert check.calls == [["a", "b"]]


def test_texts_may_hold_anything() -> None:
    texts = ["", "\ud800", "\x00", "a\nb", "é" * 10, "\u200b" * 1000]
    given = [json.dumps({"text": text}).encode() for text in texts]

    assert [answer["masked"] for answer in answers(Passing(), given, Labelled())] == texts


def test_a_label_and_a_category_may_be_there_or_not() -> None:
    assert line_of(line(text="x", label=None, id=7)).label is None
    found = line_of(line(text="x", label="benign", category="chat"))
    assert (found.label, found.category) == ("benign", "chat")


def test_counts_have_intervals_and_leave_out_what_was_not_there() -> None:
    assert Count(attacks=10, detected=9).words() == "detected 9 of 10 attacks (90.0%, 59.6% to 98.2%)"
    assert Count(benign=5).words() == "flagged 0 of 5 benign (0.0%, 0.0% to 43.4%)"
    assert Labelled().summary() == []
