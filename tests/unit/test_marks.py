"""Marks: told while the answer streams, kept where the model wrote them, never invented."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.retrieval.marks import Marker, Marks, content_words

PORTS = "The gateway listens on port 8000 by default; the setting http_options.port changes it."
CACHE = "Cached answers live for one hour. A change to the documents makes cached answers unreachable."
PASSAGES = [PORTS, CACHE]

parts = st.sampled_from(
    [
        "The gateway listens on port 8000.",
        "Cached answers live for one hour",
        "[1]",
        " [2]",
        "[99]",
        ". ",
        "! ",
        "\n",
        "\n\n",
        "```\n",
        "```python\n",
        " ",
        '."',
        "**Bold.** ",
        "1. ",
        "é. ",
    ]
)
answers = st.lists(parts | st.text(max_size=4), max_size=12).map("".join)


def marked(answer: str, pieces: list[str] | None = None, passages: list[str] | None = None) -> tuple[str, list[int]]:
    marks = Marks(PASSAGES if passages is None else passages)
    marker = marks.filter()
    text = "".join(map(marker.feed, [answer] if pieces is None else pieces)) + marker.flush()
    return text, marks.cited


def without_marks(text: str) -> str:
    return re.sub(r" \[\d+\]", "", text)


@given(answers, st.lists(st.integers(0, 100), max_size=20))
def test_any_chunking_gives_what_the_whole_answer_gives(answer: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(answer)) for cut in cuts), len(answer)]
    pieces = [answer[start:end] for start, end in itertools.pairwise(edges)]

    assert marked(answer, pieces) == marked(answer) == marked(answer, list(answer))


@given(answers)
def test_nothing_but_marks_is_added_and_nothing_is_taken_away(answer: str) -> None:
    text, _ = marked(answer)

    assert without_marks(text) == without_marks(answer)


@given(answers)
def test_without_passages_nothing_is_added(answer: str) -> None:
    assert marked(answer, passages=[]) == (answer, [])


@given(answers)
def test_what_is_cited_is_a_passage_that_there_is(answer: str) -> None:
    assert set(marked(answer)[1]) <= {1, 2}


def test_a_sentence_gets_the_mark_of_the_passage_that_supports_it() -> None:
    text, cited = marked("The gateway listens on port 8000. Cached answers live for one hour.\n")

    assert text == "The gateway listens on port 8000. [1] Cached answers live for one hour. [2]\n"
    assert cited == [1, 2]


def test_a_list_without_full_stops_gets_marks_by_line() -> None:
    text, _ = marked("- the gateway listens on port 8000\n- cached answers live for one hour\n")

    assert text == "- the gateway listens on port 8000 [1]\n- cached answers live for one hour [2]\n"


@pytest.mark.parametrize(
    "answer",
    [
        "The gateway listens on port 8000 [2]. ",
        "The gateway listens on port 8000. [2] ",
        "The gateway listens on port 8000.[2] ",
        "The gateway listens on port 8000 [1][2]. Thanks.",
    ],
)
def test_the_models_own_marks_are_kept_and_none_is_added(answer: str) -> None:
    text, cited = marked(answer)

    assert text == answer
    assert 2 in cited


def test_a_mark_of_a_passage_that_there_is_not_is_no_citation() -> None:
    assert marked("The gateway listens on port 8000 [7]. ") == ("The gateway listens on port 8000 [7]. ", [])


@pytest.mark.parametrize(
    "answer",
    [
        "Penguins huddle together against antarctic storms. ",
        "The documents do not tell. ",
        "Yes. ",
        "Port 8000. ",  # too few words to tell
        "The gateway sends penguins carrying parcels through antarctic storms. ",  # one word of eight
        "",
        "\n\n",
    ],
)
def test_no_mark_without_support(answer: str) -> None:
    assert marked(answer) == (answer, [])


def test_code_stays_as_it_is_and_its_indexes_are_no_citations() -> None:
    code = "```python\nprint('The gateway listens on port 8000.')\nitems[1] = items[2]\n```\n"

    assert marked(code) == (code, [])
    text, cited = marked(code + "The gateway listens on port 8000.")
    assert text == code + "The gateway listens on port 8000. [1]"
    assert cited == [1]


def test_only_the_white_space_after_a_sentence_is_held_back() -> None:
    marker = Marker([content_words(passage) for passage in PASSAGES])

    assert marker.feed("The gateway listens on port 8000.") == "The gateway listens on port 8000."
    assert marker.feed(" ") == ""
    assert marker.feed("And") == " [1] And"
    assert marker.flush() == ""


def test_choices_are_marked_apart_and_cited_together() -> None:
    marks = Marks(PASSAGES)
    one, other = marks.filter(), marks.filter()

    one.feed("The gateway listens ")
    other.feed("Cached answers live for one hour. ")
    one.feed("on port 8000. ")

    assert one.flush() == " [1] "
    assert other.flush() == " [2] "
    assert marks.cited == [1, 2]


def test_of_passages_that_support_equally_the_first_is_cited() -> None:
    assert marked("The gateway listens on port 8000.", passages=[PORTS, PORTS])[1] == [1]
