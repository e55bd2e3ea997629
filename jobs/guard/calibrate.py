"""From raw scores of texts that a model did not train on to a score whose 0.5 is the operating point."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from app.guard.injection.classifier import SHORT
from jobs.guard.data import DOCUMENT_FILES, PROMPT_FILES, TWINS, Example
from jobs.guard.fit import Fitted, Scores
from jobs.guard.table import Table

FOLDS = 4
HELD_OUT = 1  # folds that are held out: each costs a training
ORDINARY = frozenset({"slabs_train", "docs", "cache", "packages", "library", "pieces", "personal"})
PROMPTS, DOCUMENTS = PROMPT_FILES - TWINS, DOCUMENT_FILES - TWINS
# Share that may be flagged of look-alikes, and of ordinary texts. (At 3% and 1% too many passages of documentation were
# flagged: 4% of this project's own.)
MOST_HARD, MOST_ORDINARY = 0.02, 0.0075
MOST_LONG = 0.02  # of packages' whole descriptions
# Share of the attacks in short texts, of those that are found, which may be lost since the encoder does not read what
# the linear judge finds harmless.
MOST_UNREAD = 0.0075
SHARES = (0.0, 0.1, 0.2, 0.3, 0.45, 0.6)  # of the linear judge
_BOUNDS = (0.01, 0.02, 0.05)  # of flagged look-alikes, at which shares are compared


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Scores of rows by judges that did not train on them; NaN for other rows."""

    encoder: Scores
    linear: Scores


@dataclass(frozen=True, slots=True)
class Calibration:
    """See `app.guard.injection.model.InjectionModel`. `found`: of the held-out attacks on `PROMPTS` and
    `DOCUMENTS`, the share found at 0.5; `flagged`: of harmless texts, by their group; `spared`: the share of harmless
    short texts that the encoder need not read."""

    share: float
    slope: float
    offset: float
    doubling: float
    harmless: float
    unread: float
    found: float
    spared: float
    flagged: dict[str, float]


def folds_taught(examples: Sequence[Example]) -> list[NDArray[np.bool_]]:
    """For each fold that is held out which examples train: neither its own nor what was made of them."""
    fold = np.array([example.fold(FOLDS) for example in examples])
    return [fold != left_out for left_out in range(HELD_OUT)]


def held_out(table: Table, taught: Sequence[NDArray[np.bool_]], fitted: Sequence[Fitted]) -> HeldOut:
    """The raw scores of rows by the judges that were not taught them."""
    encoder, linear = np.full(len(table.owner), np.nan), np.full(len(table.owner), np.nan)
    for mask, one in zip(taught, fitted, strict=True):
        tested = ~mask[table.owner]
        encoder[tested], linear[tested] = one.encoder[tested], one.linear[tested]
    return HeldOut(encoder, linear)


def calibrate(table: Table, examples: Sequence[Example], scores: HeldOut) -> Calibration:
    """The share of the linear judge that finds most, Platt's slope, an offset that puts the operating point at a logit
    of 0, and a discount for many windows that keeps long harmless documents below it."""
    groups = Groups(examples, ~np.isnan(scores.encoder), table)
    share = max(SHARES, key=lambda one: groups.detection(_raw(table, scores, one, len(examples))))
    raw = _raw(table, scores, share, len(examples))
    platt = LogisticRegression(class_weight="balanced").fit(raw[groups.hard, None], groups.attack[groups.hard])
    slope = float(platt.coef_[0, 0])
    point = max(
        *(float(np.quantile(raw[groups.harmless(kind)], 1 - MOST_HARD)) for kind in (PROMPTS, DOCUMENTS)),
        float(np.quantile(raw[groups.harmless(ORDINARY)], 1 - MOST_ORDINARY)),
    )
    offset = -slope * point
    doubling = _doubling(examples, slope * raw + offset, groups.harmless(frozenset({"packages"})))
    ordinary = {name: frozenset({name}) for name in sorted(ORDINARY)}
    named = {"prompts": PROMPTS, "documents": DOCUMENTS, **ordinary}
    flagged = {
        name: float((raw[groups.harmless(kind)] > point).mean())
        for name, kind in named.items()
        if groups.harmless(kind).any()
    }
    cascade = _cascade(table, examples, scores, (raw > point) & groups.attack)
    found = float((raw[groups.hard & groups.attack] > point).mean())
    return Calibration(share, slope, offset, doubling, cascade.harmless, cascade.unread, found, cascade.spared, flagged)


@dataclass(frozen=True, slots=True)
class _Cascade:
    harmless: float
    unread: float
    spared: float


def _cascade(table: Table, examples: Sequence[Example], scores: HeldOut, found: NDArray[np.bool_]) -> _Cascade:
    """From which linear logit on the encoder reads a short text, and what stands for its score below: what it says of
    harmless ones there, on average. `found`: which examples are attacks that both judges together find."""
    length = np.array([len(example.text) for example in examples])
    attack = np.array([example.is_attack for example in examples])
    one_row = np.bincount(table.owner, minlength=len(examples)) == 1
    short = (one_row & (length <= SHORT))[table.owner] & ~np.isnan(scores.linear)
    harmless = float(np.quantile(scores.linear[short & found[table.owner]], MOST_UNREAD))
    ordinary = short & ~attack[table.owner]
    spared = ordinary & (scores.linear < harmless)
    if not spared.any():
        return _Cascade(-np.inf, 0.0, 0.0)
    return _Cascade(harmless, float(scores.encoder[spared].mean()), float(spared.sum() / ordinary.sum()))


class Groups:
    """Masks over examples that were held out."""

    def __init__(self, examples: Sequence[Example], rows: NDArray[np.bool_], table: Table) -> None:
        self.known = np.zeros(len(examples), dtype=np.bool_)
        self.known[table.owner[rows]] = True
        self.attack = np.array([example.is_attack for example in examples])
        self._source = np.array([example.source for example in examples])
        self.hard = self.known & np.isin(self._source, sorted(PROMPTS | DOCUMENTS))

    def harmless(self, sources: frozenset[str]) -> NDArray[np.bool_]:
        chosen: NDArray[np.bool_] = self.known & ~self.attack & np.isin(self._source, sorted(sources))
        return chosen

    def detection(self, raw: Scores) -> float:
        """The mean share of attacks found at `_BOUNDS`, over prompts and documents."""
        found = []
        for kind in (PROMPTS, DOCUMENTS):
            attacks = raw[self.hard & self.attack & np.isin(self._source, sorted(kind))]
            found += [float((attacks > np.quantile(raw[self.harmless(kind)], 1 - most)).mean()) for most in _BOUNDS]
        return float(np.mean(found))


def _raw(table: Table, scores: HeldOut, share: float, examples: int) -> Scores:
    """Of each example its worst window's; -30 for those that were not held out."""
    return table.worst(np.nan_to_num(scores.encoder + share * scores.linear, nan=-60.0), examples)


def _doubling(examples: Sequence[Example], logits: Scores, parts: NDArray[np.bool_]) -> float:
    """What must be taken off for each doubling so that at most `MOST_LONG` of whole descriptions reach 0."""
    documents: dict[str, list[float]] = {}
    for at in np.flatnonzero(parts):
        documents.setdefault(examples[at].parent, []).append(float(logits[at]))
    needed = [max(0.0, max(some)) / np.log2(len(some)) for some in documents.values() if len(some) > 1]
    return float(np.quantile(needed, 1 - MOST_LONG)) if needed else 0.0
