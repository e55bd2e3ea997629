"""The labelled groups and the pairs made of them."""

import json
import re
from pathlib import Path

import pytest

from app.cache.judge.words import read
from app.config.files import PROJECT
from app.evals.cache_judge.augment import made_pairs
from app.evals.cache_judge.groups import Group, load_groups, pairs_within, written_pairs
from app.evals.errors import DatasetError

RECORD = {
    "group": "facts-001",
    "question": "How many miles is a 10 km run?",
    "near_repeats": ["how many miles is a 10km run"],
    "paraphrases": ["10 km run, distance in miles", "Ten kilometres running: how far in miles?"],
    "traps": [
        {"text": "How many miles is a 5 km run?", "kind": "number"},
        {"text": "10 km run in yards", "kind": "unit"},
    ],
}


def test_what_is_measured_are_the_questions_own_pairs() -> None:
    pairs = list(written_pairs([Group.parse(RECORD)]))
    assert [pair.kind for pair in pairs] == ["near repeat", "paraphrase", "paraphrase", "number", "unit"]
    assert [pair.is_same for pair in pairs] == [True, True, True, False, False]


def test_two_traps_are_no_pair() -> None:
    group = Group.parse(RECORD)
    traps = {trap.text for trap in group.traps}
    assert not any({pair.a, pair.b} <= traps for pair in pairs_within([group]))


def test_made_pairs_are_the_same_at_every_run_and_edits_change_the_words() -> None:
    group = Group.parse(RECORD)
    made = list(made_pairs([group], 1, 20))
    assert made == list(made_pairs([group], 1, 20))
    assert all(read(pair.a).key != read(pair.b).key for pair in made if not pair.is_same and pair.a == group.question)


@pytest.mark.parametrize("missing", ["near_repeats", "paraphrases", "traps"])
def test_of_a_group_that_lacks_something_the_pairs_that_need_none_of_it_are_made(missing: str) -> None:
    group = Group.parse({**RECORD, missing: []})
    made = list(made_pairs([group], 1, 8))
    same, kinds = {pair.is_same for pair in made}, {pair.kind for pair in made if pair.is_same}
    assert same == {True, False}
    assert kinds == ({"near repeat"} if missing == "paraphrases" else {"near repeat", "paraphrase"})
    texts = {group.question, *group.paraphrases, *(trap.text for trap in group.traps)}
    assert {pair.a for pair in made} <= texts


def test_a_question_alone_makes_pairs_of_its_own() -> None:
    group = Group.parse({**RECORD, "near_repeats": [], "paraphrases": [], "traps": []})
    made = list(made_pairs([group], 1, 8))
    assert {pair.is_same for pair in made} == {True, False}
    assert {pair.a for pair in made} == {group.question}


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        '{"group": "a"}',
        "{",
        json.dumps({**RECORD, "traps": [{"text": "x", "kind": "odd"}]}),
        json.dumps({**RECORD, "question": " "}),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(RECORD) + "\n" + line + "\n")
    with pytest.raises(DatasetError, match=r"a\.jsonl:2"):
        load_groups(tmp_path)


def test_the_shipped_groups_are_whole_and_halved() -> None:
    groups = load_groups(PROJECT / "evals" / "cache" / "parts")
    halved = [group for group in groups if not group.name.startswith("seed-")]  # those train, all of them
    share = sum(group.is_for_training for group in halved) / len(halved)
    assert len(groups) > 100
    assert 0.4 < share < 0.6
    for group in groups:
        assert not {trap.text for trap in group.traps} & {group.question, *group.same}


def test_what_is_tested_on_stands_in_no_other_group() -> None:
    groups = load_groups(PROJECT / "evals" / "cache" / "parts")
    owners: dict[str, set[str]] = {}
    for group in groups:
        for text in (group.question, *group.same):
            owners.setdefault(" ".join(re.findall(r"\w+", text.lower())), set()).add(group.name)
    tested = {group.name for group in groups if not group.is_for_training}
    assert [names for names in owners.values() if len(names) > 1 and names & tested] == []
