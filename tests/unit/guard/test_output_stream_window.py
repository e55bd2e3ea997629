"""The window over a stream: what is released is what masking the whole text would give, and nothing is out early."""

import itertools
import random
import re
import time
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.guard.output.stream_window import Window, masked
from app.guard.types import Hit

Rail = Callable[[str], list[Hit]]

_PATTERNS = {
    "EMAIL": re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"),
    "CARD": re.compile(r"(?<!\d)\d{4}(?:[ -]\d{4}){3}(?!\d)"),
    "NAME": re.compile(r"\b(?:Anna Maria Lindqvist|Anna Maria|Anna|Bo Ek|Ek)\b"),
    "PEM": re.compile(r"-----BEGIN KEY-----(?:[\s\S]*?-----END KEY-----|[\s\S]*$)"),
}
_WORDS = [
    "Anna", "Annabel", "Anna Maria", "Anna Maria Lindqvist", "Maria Lindqvist", "Bo", "Ek", "Bo Ek", "Ekman",
    "bo.ek@example.org", "a@b.co", "x+y@mail.example.co.uk", "@", "mail@", "4111 1111 1111 1111",
    "4111-1111-1111-1111", "1234 1234 1234 1234 1234 1234 1234", "4111", "11111", "the", "and so on", ".", ", ", "\n",
    "-----BEGIN KEY-----\nabc def\nghi\n-----END KEY-----", "-----BEGIN KEY-----", "-----", "\u200b", "日本語",
    "w" * 30,
]  # fmt: skip
_LONGEST = 50  # no value above with spaces is longer


def rails(text: str) -> list[Hit]:
    return [Hit(rule, 0.9, m.start(), m.end()) for rule, p in _PATTERNS.items() for m in p.finditer(text)]


def replacement(hit: Hit, value: str) -> str:
    return f"<{hit.rule}>"


class Stream:
    """Runs a window over pieces and remembers what each examination saw."""

    def __init__(self, window: Window, rail: Rail, lookahead: int) -> None:
        self.window, self.rail, self.lookahead = window, rail, lookahead
        self.released: list[str] = []
        self.arrived = 0
        self.examined = 0  # characters, all examinations together

    def run(self, pieces: Sequence[str]) -> str:
        for piece in pieces:
            self.window.add(piece)
            self.arrived += len(piece)
            self.step(final=False)
        self.step(final=True)
        assert self.window.held == 0
        return "".join(self.released)

    def step(self, final: bool) -> None:
        due = self.window.due(final)
        if due is None:
            return
        text, offset = due
        assert self.window.forgotten + offset + self.window.held == self.arrived
        self.examined += len(text)
        self.released.append(self.window.verdict(self.rail(text), replacement))
        if not final:
            assert self.window.held >= self.lookahead


def chunks(text: str, cuts: Sequence[int]) -> list[str]:
    marks = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[a:b] for a, b in itertools.pairwise(marks)]


@settings(max_examples=600, deadline=None)
@given(
    words=st.lists(st.tuples(st.sampled_from(_WORDS), st.sampled_from([" ", " ", "\n", "", "; "])), max_size=40),
    cuts=st.lists(st.integers(0, 3000), max_size=60),
    stride=st.integers(1, 80),
)
def test_releases_are_the_text_masked_in_one_piece(words: list[tuple[str, str]], cuts: list[int], stride: int) -> None:
    text = "".join(word + gap for word, gap in words)
    window = Window(_LONGEST, 60, stride=stride)
    assert Stream(window, rails, _LONGEST).run(chunks(text, cuts)) == masked(text, rails(text), replacement)


@settings(max_examples=500, deadline=None)
@given(
    value=st.sampled_from(
        [
            "bo.ek@example.org",
            "4111 1111 1111 1111",
            "Anna Maria Lindqvist",
            "-----BEGIN KEY-----\na b\n-----END KEY-----",
        ]
    ),
    before=st.text("ab \n", max_size=120),
    after=st.text("ab \n", max_size=120),
    cuts=st.lists(st.integers(0, 300), max_size=30),
)
def test_no_character_of_a_value_gets_out_wherever_it_is_split(
    value: str, before: str, after: str, cuts: list[int]
) -> None:
    text = f"{before} {value} {after}"
    stream = Stream(Window(_LONGEST, 60, stride=1), rails, _LONGEST)
    out = stream.run(chunks(text, cuts))
    (rule,) = {hit.rule for hit in rails(value) if hit.end - hit.start == len(value)}
    assert out == f"{before} <{rule}> {after}"
    # Not for a moment either: each prefix of the releases is a prefix of the masked text.
    assert all(out.startswith("".join(stream.released[:n])) for n in range(len(stream.released) + 1))


@pytest.mark.parametrize("at", range(1, 17))
def test_value_split_once_at_any_place_with_no_lookahead_is_masked(at: int) -> None:
    value = "bo.ek@example.org"
    text = f"Write to {value} today."
    cut = len("Write to ") + at
    out = Stream(Window(0, 0, stride=1), rails, 0).run([text[:cut], text[cut:]])
    assert out == "Write to <EMAIL> today."


def test_every_released_character_had_its_lookahead_examined() -> None:
    dice = random.Random(5)
    text = " ".join(dice.choice(_WORDS[:20]) for _ in range(200))
    window, arrived, out = Window(_LONGEST, 40, stride=7), 0, 0
    for piece in chunks(text, [dice.randrange(len(text)) for _ in range(300)]):
        window.add(piece)
        arrived += len(piece)
        if (due := window.due()) is not None:
            seen_to = window.forgotten + len(due[0])
            window.verdict([], replacement)
            out = arrived - window.held
            assert out <= max(0, seen_to - _LONGEST)
    assert out > 0


def test_run_without_white_space_is_held_until_it_ends() -> None:
    window = Window(5, 20, stride=1)
    window.add("see " + "k" * 60)
    assert window.due() == ("see " + "k" * 60, 0)
    assert window.verdict([], replacement) == "see "
    window.add(" and what comes behind it")
    assert window.due() is not None
    assert window.verdict([], replacement) == "k" * 60 + " and what comes behi"  # "nd it" is ahead


def test_run_counts_as_finished_past_max_held_and_then_flows() -> None:
    window = Window(10, 20, stride=1, max_held=40)
    out = 0
    for count in range(1, 201):
        window.add("k")
        if window.due():
            out += len(window.verdict([], replacement))
        most = 12 if out else 50  # and what arrives between two examinations
        assert window.held <= most, count
    assert out > 150


def test_context_begins_with_a_word_and_never_within_a_masked_value() -> None:
    digits = re.compile(r"(?<!\d)\d{4}(?:[ -]\d{4}){3}(?!\d)")
    text = "Take " + " ".join(f"{number:04}" for number in range(60)) + " and go, whoever you are."

    def rail(text: str) -> list[Hit]:
        assert text[0].isdigit() is False or len(text.split(" ")[0]) == 4
        return [Hit("CARD", 1, m.start(), m.end()) for m in digits.finditer(text)]

    for context in range(20, 45):
        stream = Stream(Window(_LONGEST, context, stride=1), rail, _LONGEST)
        assert stream.run(list(text)) == masked(text, rail(text), replacement), context


def test_context_goes_back_to_the_beginning_of_a_word() -> None:
    window = Window(4, 14, stride=1)
    window.add("first password: hunter2hunter2 and then")
    assert window.due()
    assert window.verdict([], replacement) == "first password: hunter2hunter2 and "
    window.add(" more to come")
    assert window.due() == ("hunter2hunter2 and then more to come", 19)


@pytest.mark.parametrize("lookahead", [0, 3, 15])
def test_value_that_still_grows_is_held_with_any_lookahead(lookahead: int) -> None:
    pieces = ["-----BEGIN KEY-----\n", "abc def and more of it\n", "-----END KEY-----"]
    assert Stream(Window(lookahead, 10, stride=1), rails, lookahead).run(pieces) == "<PEM>"


def test_text_without_spaces_between_words_flows() -> None:
    window = Window(10, 20, stride=1)
    window.add("東京は日本の首都であり、世界最大級の都市の一つである")
    assert window.due()
    assert len(window.verdict([], replacement)) == 16


def test_hit_that_touches_the_end_is_held_from_its_start_however_long() -> None:
    window = Window(10, 20, stride=1, max_held=40)
    window.add("key: -----BEGIN KEY-----\n")
    for _ in range(300):
        window.add("QUJD REVG\n")
        if due := window.due():
            assert window.verdict(rails(due[0]), replacement) in ("", "key: ")
    window.add("-----END KEY-----\nThat is it, and nothing else.")
    due = window.due(final=True)
    assert due
    assert window.verdict(rails(due[0]), replacement) == "<PEM>\nThat is it, and nothing else."


def test_rest_of_a_value_that_only_shows_later_is_masked() -> None:
    window = Window(4, 50, stride=1)
    window.add("one two three four five ")
    window.due()
    assert window.verdict([], replacement) == "one two three four f"
    window.add("six seven")
    due = window.due(final=True)
    assert due
    assert window.verdict([Hit("LATE", 1.0, 8, len(due[0]))], replacement) == "<LATE>"


def test_examinations_stay_within_a_multiple_of_the_text_while_all_is_held() -> None:
    text = "-----BEGIN KEY-----\n" + "QUJD REVG\n" * 4000
    stream = Stream(Window(80, 200, stride=48), rails, 80)
    assert stream.run([text[i : i + 4] for i in range(0, len(text), 4)]) == "<PEM>"
    assert stream.examined < 8 * len(text)


def test_long_stream_is_linear_and_cheap() -> None:
    window = Window()
    started = time.perf_counter()
    for _ in range(50_000):
        window.add("word ")
        if window.due():
            window.verdict([], replacement)
    assert time.perf_counter() - started < 3
    assert len(window.due(final=True)[0]) < 1000  # type: ignore[index]  # held text is there


def test_pieces_that_arrive_before_the_verdict_wait_for_the_next() -> None:
    window = Window(4, 10, stride=1)
    window.add("aaa bbb ccc ")
    assert window.due()
    window.add("Anna x")
    assert window.verdict([], replacement) == "aaa bbb "
    due = window.due(final=True)
    assert due is not None
    assert window.verdict(rails(due[0]), replacement) == "ccc <NAME> x"
    assert window.due(final=True) is None


def test_overlapping_hits_become_one_named_after_the_surest() -> None:
    hits = [Hit("A", 0.4, 0, 6), Hit("B", 0.9, 4, 9), Hit("C", 0.5, 9, 10), Hit("D", 1, 3, 3), Hit("E", 1, 90, 99)]
    assert masked("0123456789", hits, lambda hit, value: f"[{hit.rule}{value}]") == "[B012345678][C9]"


def test_flush_gives_what_is_held_as_it_is() -> None:
    window = Window(10, 5, stride=1)
    window.add("Anna and Bo Ek\ud800\x00")
    assert window.due()
    assert window.flush() == "Anna and Bo Ek\ud800\x00"
    assert window.due(final=True) is None
    with pytest.raises(RuntimeError, match="without due"):
        window.verdict([], replacement)


def test_what_json_without_white_space_quotes_is_held_like_a_word() -> None:
    password = "gqLINyGT1lNk" * 6
    text = '{"rows":[' + "1," * 1100 + f'],"url":"postgres://app:{password}@db.example/orders"}}'
    window, shown = Window(32, stride=16), ""
    for start in range(0, len(text), 7):
        window.add(text[start : start + 7])
        if due := window.due(start + 7 >= len(text)):
            found = due[0].find(f"postgres://app:{password}@db")
            hits = [Hit("CONNECTION_STRING", 1.0, found, len(due[0]) - 2)] if found >= 0 else []
            shown += window.verdict(hits, lambda hit, _: f"[{hit.rule}]")

    assert password[:8] not in shown
