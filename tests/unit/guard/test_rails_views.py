"""What hides words from a rail is taken away, and every part of the view is found again in the text."""

import time

import pytest

from app.guard.policy_rails.views import plain


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain\ttext\r\n", "plain\ttext\r\n"),
        ("b\u200bo\u00adm\u2060b", "bomb"),
        ("\x00b\x07omb\x7f", "bomb"),
        ("b\ud800om\udfffb", "bomb"),
        ("\uff42\uff4f\uff4d\uff42", "bomb"),
        ("bo\u0301mb", "b\u00f3mb"),
        ("b\u0301omb", "bomb"),  # a letter that does not exist
        ("e\u0301\u0335", "\u00e9"),
        ("\ufb01ne", "fine"),
        ("\u1100\u1161", "\uac00"),
        ("\u0301", "\u0301"),
        ("a\u2028b\x85c", "a\nb\nc"),
        ("", ""),
    ],
)
def test_what_is_seen(text: str, seen: str) -> None:
    assert plain(text).text == seen


@pytest.mark.parametrize("text", ["caf\u00e9", "\u6211\u7231\u4f60\u3002", "\u043f\u0440\u0438", "\U0001f600", "plain"])
def test_what_is_seen_as_it_is_stays(text: str) -> None:
    view = plain(text)
    assert view.text == text
    assert not view.changed


def test_spans_lead_back_to_the_text() -> None:
    text = "see \ufb01re\u200b\u200bworks, cafe\u0301 \ud800!"
    view = plain(text)
    assert view.text == "see fireworks, caf\u00e9 !"
    for word in ("see", "caf\u00e9"):
        start, end = view.span(view.text.index(word), view.text.index(word) + len(word))
        assert plain(text[start:end]).text == word
    assert view.span(4, 6) == (4, 5)  # the ligature
    start, end = view.span(4, 13)
    assert text[start:end] == "\ufb01re\u200b\u200bworks"


@pytest.mark.parametrize("text", ["a\u0301\u0323" * 300_000, "\u0301\u0323" * 400_000, "\u200b" * 1_000_000])
def test_many_marks_take_linear_time(text: str) -> None:
    started = time.thread_time()
    plain(text)
    assert time.thread_time() - started < 3  # unicodedata.normalize: minutes
