"""Restoring: what the client reads is the whole-text replacement, however the answer was cut up."""

import itertools
import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.guard.restore import Restorer

PLACEHOLDERS = [f"<{entity}_{number}>" for entity in ("PERSON", "EMAIL_ADDRESS", "US_SSN") for number in (1, 2, 11)]

# Values and answers that look like placeholders, begin like them, or end in the middle of one.
fragments = st.sampled_from(
    [
        *PLACEHOLDERS,
        "<",
        ">",
        "<PERSON",
        "<PERSON_",
        "<PERSON_1",
        "PERSON_1_",
        "_",
        "P",
        "_1>",
        "1>",
        "<US_SSN_<",
        '"\\\n',
    ]
)
texts = st.lists(fragments | st.text(max_size=5), max_size=12).map("".join)
vaults = st.dictionaries(st.sampled_from(PLACEHOLDERS), texts, max_size=6)


def replaced(answer: str, vault: dict[str, str]) -> str:
    """The definition: every placeholder, brackets or not, replaced at once, values not looked at again. A name that
    another word ends with, or goes on from, is none."""
    if not vault:
        return answer
    names = {placeholder.strip("<>"): value for placeholder, value in vault.items()}
    longest_first = "|".join(sorted(names, key=len, reverse=True))
    return re.sub(
        rf"(?:<|(?<![A-Z0-9_]))({longest_first})(?![0-9]|_[A-Z0-9])>?", lambda match: names[match.group(1)], answer
    )


def streamed(pieces: list[str], vault: dict[str, str], *, in_json: bool = False) -> str:
    restorer = Restorer(vault, in_json=in_json)
    return "".join(map(restorer.feed, pieces)) + restorer.flush()


@given(vaults, texts, st.lists(st.integers(0, 80), max_size=20))
@example({"<PERSON_1>": "x<PERSON_", "<PERSON_2>": "y"}, "<PERSON_1>2>", [10])
def test_any_chunking_of_any_answer_gives_the_whole_text_replacement(
    vault: dict[str, str], answer: str, cuts: list[int]
) -> None:
    edges = [0, *sorted(min(cut, len(answer)) for cut in cuts), len(answer)]
    pieces = [answer[start:end] for start, end in itertools.pairwise(edges)]

    assert streamed(pieces, vault) == replaced(answer, vault)


@given(vaults, texts)
def test_character_by_character_too(vault: dict[str, str], answer: str) -> None:
    assert streamed(list(answer), vault) == replaced(answer, vault)


@given(vaults, texts, texts)
def test_never_more_than_one_placeholder_is_held_back(vault: dict[str, str], first: str, second: str) -> None:
    restorer = Restorer(vault)

    restorer.feed(first)
    restorer.feed(second)

    # What is held may turn out to be a placeholder without its last bracket, and a character behind it.
    values = [*map(len, vault.values()), *map(len, PLACEHOLDERS)]
    assert len(restorer.flush()) <= max(values) + 1
    assert restorer.flush() == ""


@given(vaults, st.lists(st.sampled_from(PLACEHOLDERS) | st.text(max_size=5), max_size=8))
def test_values_are_escaped_where_the_text_is_json(vault: dict[str, str], parts: list[str]) -> None:
    source = json.dumps({"text": "".join(parts)}, ensure_ascii=False)

    result = streamed([source[i : i + 3] for i in range(0, len(source), 3)], vault, in_json=True)

    assert json.loads(result) == {"text": replaced("".join(parts), vault)}


@pytest.mark.parametrize("brackets", ["\\u003c \\u003e", "\\u003C \\u003E", "< >", " >", "\\u003c  "])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_brackets_are_known_as_serializers_escape_them(brackets: str, size: int) -> None:
    opening, closing = brackets.split(" ", 1)
    source = f'{{"to":"{opening}PERSON_1{closing.strip()}","not":"\\\\u003cx"}}'
    pieces = [source[i : i + size] for i in range(0, len(source), size)]

    assert json.loads(streamed(pieces, {"<PERSON_1>": 'Ann "A"'}, in_json=True)) == {"to": 'Ann "A"', "not": "\\u003cx"}


def test_nothing_is_lost_where_a_placeholder_was_let_go_in_its_midst() -> None:
    restorer = Restorer({"<PERSON_1>": "Ann"})

    assert restorer.feed("to <") + restorer.flush() + restorer.feed("PERSON_1> and") == "to <Ann and"


def test_text_that_cannot_become_a_placeholder_is_handed_on_at_once() -> None:
    restorer = Restorer({"<PERSON_1>": "John"})

    assert restorer.feed("a < b") == "a < b"
    assert restorer.feed(" and <PERS") == " and "
    assert restorer.feed("ONAL>") == "<PERSONAL>"
    assert restorer.flush() == ""


@pytest.mark.parametrize("written", ["<PERSON_1>", "<PERSON_1", "PERSON_1>", "PERSON_1"])
def test_brackets_that_a_small_model_loses_do_no_harm(written: str) -> None:
    assert streamed(["Dear ", *written, ", hello"], {"<PERSON_1>": "John"}) == "Dear John, hello"
    assert streamed([*written], {"<PERSON_1>": "John"}) == "John"
    assert streamed(["PERSON_12"], {"<PERSON_1>": "John"}) == "PERSON_12"


@pytest.mark.parametrize("word", ["PERSON_1_2", "PERSON_1_P", "PERSON_1_NAME", "MY_PERSON_1", "<PERSON_1_2>"])
@pytest.mark.parametrize("in_json", [False, True])
def test_a_longer_name_is_another(word: str, in_json: bool) -> None:
    answer, vault = f"Select {word} from t", {"<PERSON_1>": "Ann Lee"}

    assert streamed([answer], vault, in_json=in_json) == answer
    assert streamed([*answer], vault, in_json=in_json) == answer
    for cut in range(len(answer)):
        assert streamed([answer[:cut], answer[cut:]], vault, in_json=in_json) == answer


@pytest.mark.parametrize("behind", ["_", "_ and", "_s", "__2", "s"])
def test_what_follows_a_placeholder_in_prose_stays_behind_it(behind: str) -> None:
    assert streamed([*f"PERSON_1{behind}"], {"<PERSON_1>": "Ann"}) == f"Ann{behind}"


def test_the_end_of_an_answer_releases_what_was_held() -> None:
    restorer = Restorer({"<PERSON_1>": "John"})

    assert restorer.feed("see <PERSON_") == "see "
    assert restorer.flush() == "<PERSON_"


@pytest.mark.parametrize("answer", ["<PERSON_1>", "no placeholder", ""])
def test_without_a_vault_nothing_changes_and_nothing_is_held(answer: str) -> None:
    assert Restorer({}).feed(answer) == answer
