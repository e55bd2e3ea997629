"""`sextant cache judge --json`: a line for each pair, whatever stands in it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cache.judge import Verdict
from app.cli.cache_judge import Check, Labelled, answer_lines, pair_of
from app.cli.connection import CommandFailed
from app.cli.main import app


class Words:
    """The share of words that both have, as similarity and as score."""

    def similarity(self, a: str, b: str) -> float:
        one, other = set(a.split()), set(b.split())
        return len(one & other) / len(one | other)

    def judge(self, a: str, b: str, cosine: float | None = None, tenant: str = "") -> Verdict:
        return Verdict(self.similarity(a, b), "entity")


CHECK = Check(Words(), min_similarity=0.1, min_score=0.6)  # type: ignore[arg-type]  # stands in for the judge


def lines(*pairs: Any) -> list[str]:
    return [pair if isinstance(pair, str) else json.dumps(pair) for pair in pairs]


def test_each_pair_has_its_verdict_in_order() -> None:
    given = lines({"a": "x y z", "b": "x y z"}, "", {"a": "x y z", "b": "x b c"}, {"a": "x", "b": "y"})

    assert list(answer_lines(CHECK, given)) == [
        {"hit": True, "score": 1.0, "reason": ""},
        {"hit": False, "score": 0.2, "reason": "entity"},
        {"hit": False, "score": 0.0, "reason": "wording"},  # not even a candidate
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('{"a": "x"}', '"a" and "b"'),
        ('{"a": "x", "b": 1}', '"a" and "b"'),
        ("[]", '"a" and "b"'),
        ('{"a": "x", "b": "y", "same": 1}', '"same"'),
    ],
)
def test_what_is_no_pair_gets_an_error_in_its_place(line: str, what: str) -> None:
    first, second, third = answer_lines(CHECK, lines({"a": "x", "b": "x"}, line, {"a": "x", "b": "x"}))

    assert what in second["error"]
    assert first["hit"] is third["hit"] is True


def test_labelled_pairs_are_counted() -> None:
    labelled = Labelled()
    given = lines(
        {"a": "x y z", "b": "x y z", "same": True},
        {"a": "x y z", "b": "z y x", "same": False},
        {"a": "x y z", "b": "a", "same": True},
        {"a": "x y z", "b": "x y z"},
    )

    assert len(list(answer_lines(CHECK, given, labelled))) == 4
    assert (labelled.pairs, labelled.same, labelled.right, labelled.wrong) == (3, 2, 1, 1)
    assert "3 labelled pairs: 2 hits, 50.0% of them wrong" in labelled.summary()
    assert "1 of 2 that ask the same found" in labelled.summary()


def test_without_a_hit_none_is_wrong() -> None:
    assert "0 hits, none of them wrong" in Labelled(pairs=1, same=1).summary()


def test_the_configuration_that_is_named_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text("applications: [{args: {models: [{id: m, source: org/m}], cache: {semantic: {judge: 7}}}}]")

    with pytest.raises(CommandFailed, match=r"cache\.semantic\.judge"):
        CliRunner().invoke(app, ["cache", "judge", "a", "b", "--config", str(path)], catch_exceptions=False)


def test_a_pair_may_come_without_a_label() -> None:
    assert pair_of('{"a": "x", "b": "y", "same": null}') == ("x", "y", None)
