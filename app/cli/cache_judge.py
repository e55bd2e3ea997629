"""`sextant cache judge`: would a stored answer to one question be served for another?"""

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, TextIO

import typer

from app.cache.judge import PairJudge, Verdict, load_judge
from app.cli.connection import CommandFailed
from app.cli.output import Json, console
from app.config import ConfigError
from app.config.files import load_stack
from app.retrieval.embedder import Embedder

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
    as_json: Json = False,
) -> None:
    """Say whether a stored answer to A would be served for B. No stack need run.

    With --json, pairs {"a": ..., "b": ...} come as JSON lines on standard input, and for each a line
    {"hit": ..., "score": ..., "reason": ...} goes out, in order. A line that is no pair gets
    {"error": ...} in its place, and the exit status is 1 at the end.

    [bold]Examples[/]

    sextant cache judge "How do I cancel my plan?" "Cancelling my plan: how?"

    sextant cache judge --json < pairs.jsonl
    """
    if as_json and (a is not None or b is not None):
        raise typer.BadParameter("with --json the pairs come from standard input")
    if not as_json and (a is None or b is None):
        raise typer.BadParameter("give two questions, or --json")
    judge = _load()
    least = judge.min_score if threshold is None else threshold
    if as_json:
        # Bytes that are no UTF-8 spoil their line, not the others.
        lines = sys.stdin.buffer
        failed = False
        for answer in answer_lines(judge, least, (line.decode(errors="replace") for line in lines)):
            failed = failed or "error" in answer
            write_line(sys.stdout, answer)
        if failed:
            raise typer.Exit(1)
        return
    explain(judge.judge(a or "", b or "", None), least)


def answer_lines(judge: PairJudge, least: float, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """One answer for each line that is not blank."""
    for line in lines:
        if not line.strip():
            continue
        try:
            a, b = pair_of(line)
        except ValueError as error:
            yield {"error": str(error)}
            continue
        verdict = judge.judge(a, b, None)
        hit = is_hit(verdict, least)
        yield {"hit": hit, "score": round(verdict.score, 4), "reason": "" if hit else verdict.reason or "wording"}


def is_hit(verdict: Verdict, least: float) -> bool:
    """As the live path decides on an entry that has no observations yet."""
    return verdict.score >= least


def pair_of(line: str) -> tuple[str, str]:
    """The pair in a line. Raises ValueError with what is wrong."""
    if len(line) > LONGEST_LINE:
        raise ValueError("the line is too long")
    try:
        pair = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("the line is no JSON") from None
    if not isinstance(pair, dict) or not isinstance(pair.get("a"), str) or not isinstance(pair.get("b"), str):
        raise ValueError('the line must be an object with the texts "a" and "b"')
    return pair["a"], pair["b"]


def write_line(out: TextIO, answer: dict[str, Any]) -> None:
    """At once, so that who feeds line by line reads line by line."""
    out.write(json.dumps(answer) + "\n")
    out.flush()


def explain(verdict: Verdict, least: float) -> None:
    """In words, for a person."""
    if is_hit(verdict, least):
        console.print(f"Hit: the stored answer would be served (score {verdict.score:.3f}, threshold {least:.3f}).")
        return
    why = REASONS.get(verdict.reason, REASONS["wording"])
    console.print(f"No hit: {why} (score {verdict.score:.3f}, threshold {least:.3f}).")


def _load() -> PairJudge:
    try:
        config = load_stack()
        return load_judge(Embedder(config.path(config.embedder.directory), config.embedder.threads))
    except (ConfigError, OSError, ValueError) as error:
        raise CommandFailed(str(error)) from None
