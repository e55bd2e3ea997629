"""`sextant cache judge`: would a stored answer to one question be served for another?"""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from app.cli.connection import CommandFailed
from app.cli.json_lines import object_of
from app.cli.output import Json, console
from app.config import ConfigError
from app.config.files import load_stack
from app.interval import wilson

if TYPE_CHECKING:  # they bring the embedder along, which takes seconds: not for `sextant keys`
    from app.cache.judge import PairJudge, Verdict

LONGEST_LINE = 16 * 1024 * 1024  # characters
REASONS = {
    "negation": "one of them is negated and the other is not",
    "entity": "they name different things",
    "number": "they have different numbers",
    "date": "they have different dates",
    "unit": "they have different units",
    "scope": "they speak of different parts of the same thing",
    "direction": "the same words stand in other roles",
    "antonym": "one says the opposite of the other",
    "question": "they ask for different things",
    "condition": "a condition stands in one of them only",
    "task": "they want different things done",
    "wording": "they differ in words that may matter",
}


def judge(
    a: Annotated[str | None, typer.Argument(help="The question that was answered.", metavar="A")] = None,
    b: Annotated[str | None, typer.Argument(help="The question that is asked now.", metavar="B")] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Score from which it is a hit; by default the shipped one.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="The stack's YAML; by default that of the running stack.", dir_okay=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Say whether a stored answer to A would be served for B. No stack need run.

    With --json, pairs {"a": ..., "b": ...} come as JSON lines on standard input, and for each a line
    {"hit": ..., "score": ..., "reason": ...} goes out, in order. A line that is no pair gets
    {"error": ...} in its place, and the exit status is 1 at the end. Where pairs say {"same": true} or false as well,
    how many hits were wrong, and how many were found, goes to standard error.

    [bold]Examples[/]

    sextant cache judge "How do I cancel my plan?" "Cancelling my plan: how?"

    sextant cache judge --json < pairs.jsonl
    """
    if as_json and (a is not None or b is not None):
        raise typer.BadParameter("with --json the pairs come from standard input")
    if not as_json and (a is None or b is None):
        raise typer.BadParameter("give two questions, or --json")
    check = _load(config, threshold)
    if as_json:
        # Bytes that are no UTF-8 spoil their line, not the others.
        lines = sys.stdin.buffer
        failed, labelled = False, Labelled()
        for answer in answer_lines(check, (line.decode(errors="replace") for line in lines), labelled):
            failed = failed or "error" in answer
            write_line(sys.stdout, answer)
        if labelled.pairs:
            print(labelled.summary(), file=sys.stderr)
        if failed:
            raise typer.Exit(1)
        return
    explain(check, check.verdict(a or "", b or ""))


@dataclass(frozen=True, slots=True)
class Check:
    """What stands between a candidate and a hit, as in the live path: the nearness that makes it a candidate, and the
    judge. (In `verified` mode a tenant's own labels then move the threshold.)"""

    judge: "PairJudge"
    min_similarity: float
    min_score: float

    def verdict(self, a: str, b: str) -> "Verdict":
        """The judge's, or its refusal of what would not be looked at."""
        from app.cache.judge import Verdict

        similarity = self.judge.similarity(a, b)
        if similarity < self.min_similarity:
            return Verdict(0.0, "wording")
        return self.judge.judge(a, b, similarity)

    def is_hit(self, verdict: "Verdict") -> bool:
        return verdict.score >= self.min_score and not verdict.is_refused


@dataclass(slots=True)
class Labelled:
    """Pairs of which it is known whether they ask the same."""

    pairs: int = 0
    same: int = 0
    right: int = 0  # hits
    wrong: int = 0

    def note(self, is_same: bool, hit: bool) -> None:
        self.pairs += 1
        self.same += is_same
        self.right += hit and is_same
        self.wrong += hit and not is_same

    def summary(self) -> str:
        """A sentence, with the 95% interval."""
        hits = self.right + self.wrong
        low, high = wilson(self.wrong, hits)
        wrong = f"{self.wrong / hits:.1%} of them wrong ({low:.1%} to {high:.1%})" if hits else "none of them wrong"
        found = f"{self.right:,} of {self.same:,} that ask the same found"
        return f"{self.pairs:,} labelled pairs: {hits:,} hits, {wrong}; {found}."


def answer_lines(check: Check, lines: Iterable[str], labelled: Labelled | None = None) -> Iterator[dict[str, Any]]:
    """One answer for each line that is not blank; pairs with a label are counted in `labelled`."""
    for line in lines:
        if not line.strip():
            continue
        try:
            a, b, is_same = pair_of(line)
        except ValueError as error:
            yield {"error": str(error)}
            continue
        verdict = check.verdict(a, b)
        hit = check.is_hit(verdict)
        if labelled is not None and is_same is not None:
            labelled.note(is_same, hit)
        yield {"hit": hit, "score": round(verdict.score, 4), "reason": "" if hit else verdict.reason or "wording"}


def pair_of(line: str) -> tuple[str, str, bool | None]:
    """The pair in a line, and its label, if it has one. Raises ValueError with what is wrong."""
    pair = object_of(line, LONGEST_LINE)
    if not isinstance(pair.get("a"), str) or not isinstance(pair.get("b"), str):
        raise ValueError('the line must be an object with the texts "a" and "b"')
    if not isinstance(pair.get("same"), bool | None):
        raise ValueError('"same" must be true or false')
    return pair["a"], pair["b"], pair.get("same")


def write_line(out: TextIO, answer: dict[str, Any]) -> None:
    """At once, so that who feeds line by line reads line by line."""
    out.write(json.dumps(answer) + "\n")
    out.flush()


def explain(check: Check, verdict: "Verdict") -> None:
    """In words, for a person."""
    least = check.min_score
    if check.is_hit(verdict):
        console.print(f"Hit: the stored answer would be served (score {verdict.score:.3f}, threshold {least:.3f}).")
        return
    why = REASONS.get(verdict.reason, REASONS["wording"])
    console.print(f"No hit: {why} (score {verdict.score:.3f}, threshold {least:.3f}).")


def _load(path: Path | None, threshold: float | None) -> Check:
    from app.cache.judge import load_judge
    from app.retrieval.embedder import Embedder

    try:
        config = load_stack(path)
        embedder = Embedder(config.path(config.embedder.directory), config.embedder.threads)
        judge = load_judge(embedder, config.cache_judge)
        settings = config.cache.semantic
        least = settings.threshold if settings.decision == "fixed" else settings.min_similarity
        return Check(judge, least, judge.min_score if threshold is None else threshold)
    except (ConfigError, OSError, ValueError) as error:
        raise CommandFailed(str(error)) from None
