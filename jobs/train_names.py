"""Train the weights of the guard's recognizer of names, on the training half of the marked texts alone.

    python -m jobs.train_names

Each text is shown as it is and several times with other people's names in it, some of which the table of names is made
not to know, so that the weights learn contexts rather than these names. Run again when the features or texts change.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]  # it has no type information
from sklearn.linear_model import LogisticRegression

from app.config.guard import GuardConfig
from app.evals.guard.pii import FOLDER, PUBLIC_FIGURE, Marked, Span, load_marked
from app.guard.analyzer import load_pipeline
from app.guard.names import Names
from app.guard.pii.gazetteer import GIVEN, SURNAME, WORD, names
from app.guard.pii.people import WEIGHTS_FILE, decide
from app.guard.pii.words import Word, words_of
from app.whole_file import replacing
from jobs.command import check_output, explained, in_project
from jobs.console import job_console

SEED = 20261
FORGOTTEN = 0.2  # share of names in rewritten texts that the table is made not to know
SMALL = 0.15  # share of rewritten texts that are written small

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def train_names(
    folder: Annotated[Path, typer.Option(help="Folder of JSONL files of marked texts.")] = FOLDER,
    rounds: Annotated[int, typer.Option(min=0, help="How often each text is rewritten with other names.")] = 6,
    strength: Annotated[float, typer.Option(min=0.001, help="Inverse of the L2 penalty.")] = 0.5,
    out: Annotated[Path, typer.Option(help="File of the weights.")] = WEIGHTS_FILE,
) -> None:
    """Write the weights.

    Exit codes: 0 trained; 2 it could not be done.
    """
    console = job_console()
    with explained("train_names"):
        check_output(out)
        _train(in_project(folder), rounds, strength, out, console)


def _train(folder: Path, rounds: int, strength: float, out: Path, console: Console) -> None:
    texts = [text for text in load_marked(folder) if text.is_for_training and text.category != PUBLIC_FIGURE]
    recognizer = Names(load_pipeline(GuardConfig().language_model))
    chance = random.Random(SEED)  # noqa: S311 - chance, not a secret
    pool = _Pool(chance)
    samples: list[list[str]] = []
    answers: list[bool] = []
    weights: list[float] = []
    with Progress(console=console, transient=True) as progress:
        for text in progress.track(texts, description="reading"):
            versions = [text] + [pool.rewritten(text) for _ in range(rounds if text.spans else 0)]
            for number, version in enumerate(versions):
                forgetful = number > 0
                for features, answer in _read(version, recognizer, chance if forgetful else None):
                    samples.append(features)
                    answers.append(answer)
                    weights.append(1.0 if not forgetful else 1.0 / rounds)
    ids: dict[str, int] = {}
    counts: dict[str, int] = {}
    for sample in samples:
        for feature in sample:
            counts[feature] = counts.get(feature, 0) + 1
    for feature in sorted(counts):
        if counts[feature] >= 3:
            ids[feature] = len(ids)
    rows, columns = [], []
    for row, sample in enumerate(samples):
        for feature in set(sample):
            if feature in ids:
                rows.append(row)
                columns.append(ids[feature])
    matrix = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(samples), len(ids)))
    model = LogisticRegression(C=strength, max_iter=400, fit_intercept=False)
    model.fit(matrix, np.array(answers), sample_weight=np.array(weights))
    learned = {name: round(float(model.coef_[0, at]), 3) for name, at in ids.items()}
    kept = {name: weight for name, weight in sorted(learned.items()) if abs(weight) >= 0.005}
    with replacing(out) as part:
        part.write_text(json.dumps(kept, ensure_ascii=False, indent=0) + "\n")
    console.print(
        f"{out}: {len(kept)} weights from {len(texts)} texts, {len(samples)} words, {sum(answers)} of names",
        markup=False,
        soft_wrap=True,
    )


def _read(text: Marked, recognizer: Names, chance: random.Random | None) -> list[tuple[list[str], bool]]:
    """Features of each word that may be a name's, and whether it is; the words before are known."""
    words = words_of(text.text)
    people = [span for span in text.spans if span.type == "PERSON"]
    answer = [any(span.start < word.end and word.start < span.end for span in people) for word in words]
    if chance is not None:
        words = [
            replace(word, flags=0) if named and chance.random() < FORGOTTEN else word
            for word, named in zip(words, answer, strict=True)
        ]
    (reading,) = recognizer.read([text.text])
    found: list[tuple[list[str], bool]] = []

    def collect(number: int, features: Sequence[str]) -> float:
        found.append((list(features), answer[number]))
        return float(answer[number])

    decide(text.text, words, reading, collect)
    return found


class _Pool:
    """Other people's names, from the table."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        latin = [
            (name, flags) for name, flags in names().items() if all(sign < "\u0250" for sign in name) and len(name) > 2
        ]
        self._given = [name for name, flags in latin if flags & GIVEN and not flags & WORD]
        self._surnames = [name for name, flags in latin if flags & SURNAME and not flags & WORD]
        self._rare = [name for name, flags in latin if flags & (GIVEN | SURNAME) and flags & WORD]

    def rewritten(self, text: Marked) -> Marked:
        """The text with other names in the places of its own; the same for the same."""
        chosen: dict[str, str] = {}
        parts, spans, at, size = [], [], 0, 0
        for span in text.spans:
            value = text.text[span.start : span.end]
            if span.type == "PERSON":
                value = self._other(value, chosen)
            parts += [text.text[at : span.start], value]
            size += span.start - at
            spans.append(Span(span.type, size, size + len(value)))
            size += len(value)
            at = span.end
        whole = "".join([*parts, text.text[at:]])
        if self._chance.random() < SMALL and len(whole.lower()) == len(whole):
            whole = whole.lower()
        return Marked(whole, tuple(spans), text.category, text.source)

    def _other(self, value: str, chosen: dict[str, str]) -> str:
        words = words_of(value)
        parts, at = [], 0
        for number, word in enumerate(words):
            old = value[word.start : word.end]
            parts += [value[at : word.start], self._word(old, word, number == len(words) - 1 and number > 0, chosen)]
            at = word.end
        return "".join([*parts, value[at:]])

    def _word(self, old: str, word: Word, is_last: bool, chosen: dict[str, str]) -> str:
        if len(old) <= 2 or ord(old[0]) > 0x250 or self._chance.random() < 0.25:
            return old
        if old not in chosen:
            draw = self._chance.random()
            surname = is_last or (word.flags & SURNAME and not word.flags & GIVEN)
            pool = self._rare if draw < 0.08 else self._surnames if surname else self._given
            new = self._chance.choice(pool)
            chosen[old] = new.upper() if old.isupper() else new.title() if old[0].isupper() else new
        return chosen[old]


if __name__ == "__main__":
    app(prog_name="python -m jobs.train_names")
