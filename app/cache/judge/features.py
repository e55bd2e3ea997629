"""What the judge's model sees of a pair: named numbers and vectors, the same for (a, b) and (b, a)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.cache.judge.aligned import TokenPair, pair_tokens
from app.cache.judge.alignment import SURE, TYPO, is_left, relations
from app.cache.judge.asked import TASKS, asked, marks
from app.cache.judge.contrast import contrast
from app.cache.judge.literal import told_apart
from app.cache.judge.literal.same import same_asked
from app.cache.judge.payload import shared_payload
from app.cache.judge.roles import DIRECTIONS, TOWARDS, order, roles_swapped, wording
from app.cache.judge.seen import PLACES, Seen
from app.cache.judge.surface import surface

Floats = NDArray[np.float32]

DIMENSIONS = 384

LOOSE_WIDTH = 2 * DIMENSIONS + 5


@dataclass(frozen=True, slots=True)
class Compared:
    """A pair as the model sees it.

    `features` are named numbers. `loose` has a row for each item, of either side, that the other side does not
    have word for word: its vector, that of the nearest item there, and five numbers; shape (items, LOOSE_WIDTH).
    `tokens` are all tokens of both.
    """

    features: dict[str, float]
    loose: Floats
    tokens: TokenPair


def compare(a: Seen, b: Seen, cosine: float) -> Compared:
    """All that the model sees of a pair; the order of the two does not matter."""
    lexical = relations(a.question, b.question, a.items, b.items)
    near = a.vectors @ b.vectors.T if a.items and b.items else np.zeros(lexical.shape, dtype=np.float32)
    near_a = (a.vectors @ b.tokens.T).max(axis=1) if a.items and len(b.tokens) else np.zeros(len(a.items))
    near_b = (b.vectors @ a.tokens.T).max(axis=1) if b.items and len(a.tokens) else np.zeros(len(b.items))
    found: dict[str, float] = {"cosine": cosine}
    sides = [_side(a, lexical, near_a), _side(b, lexical.T, near_b)]
    for name in sides[0]:
        low, high = sorted((sides[0][name], sides[1][name]))
        found[f"{name}.low"], found[f"{name}.high"] = low, high
    found |= contrast(a, b, lexical, near)
    found |= asked(a, b)
    found |= surface(a, b)
    found |= order(a, b, lexical)
    found |= marks(a, b)
    found |= wording(a, b, lexical)
    found |= _around_payload(a, b, lexical, near)
    found["told_apart"] = told_apart(a, b)
    found["roles_swapped"] = float(roles_swapped(a, b, lexical, frozenset(PLACES) - {"between", "with", "of"}))
    found["directions_swapped"] = float(roles_swapped(a, b, lexical, DIRECTIONS))
    found["directions_turned"] = float(roles_swapped(a, b, lexical, DIRECTIONS, TOWARDS))
    found["same_asked"] = float(same_asked(a, b))
    overlap = found["word_overlap"]
    return Compared(
        found,
        np.concatenate([_loose(a, b, lexical, near, overlap), _loose(b, a, lexical.T, near.T, overlap)]),
        pair_tokens(a, b, lexical, cosine),
    )


def _around_payload(a: Seen, b: Seen, lexical: Floats, near: Floats) -> dict[str, float]:
    """What is asked about a text that both share; without one, about everything."""
    shared = shared_payload(a.question, b.question)
    rest = [
        np.array([row for row, item in enumerate(side.items) if item.must_match and item.first not in words], dtype=int)
        for side, words in zip((a, b), shared, strict=True)
    ]
    within, close = lexical[np.ix_(*rest)], near[np.ix_(*rest)]
    support = np.maximum(within, close)
    sides = [
        (
            float((within.max(axis=axis, initial=0) == 0).sum()),
            float(support.max(axis=axis, initial=0).mean()) if rest[1 - axis].size else 1.0,
            float(support.max(axis=axis, initial=0).min(initial=1)),
        )
        for axis in (1, 0)
    ]
    counted = sum(len(side.question.words) for side in (a, b))
    found = {"payload": sum(map(len, shared)) / max(counted, 1)}
    for name, values in zip(("rest_left", "rest_mean", "rest_min"), zip(*sides, strict=True), strict=True):
        found[f"{name}.low"], found[f"{name}.high"] = sorted(values)
    concepts = [{name for row in rest[k] for name in side.items[row].concepts} for k, side in enumerate((a, b))]
    tasks = [names & TASKS for names in concepts]
    found["rest_tasks_shared"] = float(bool(tasks[0] & tasks[1]))
    found["rest_tasks_conflict"] = float(bool(tasks[0]) and bool(tasks[1]) and not tasks[0] & tasks[1])
    found["rest_concepts_shared"] = len(concepts[0] & concepts[1]) / max(len(concepts[0] | concepts[1]), 1)
    return found


def _loose(side: Seen, other: Seen, lexical: Floats, near: Floats, overlap: float) -> Floats:
    """The rows of one side. Both halves are scaled so that their numbers are about 1."""
    if not lexical.size:
        return np.zeros((0, LOOSE_WIDTH), dtype=np.float32)
    must = np.array([item.must_match for item in side.items], dtype=bool)
    left = np.flatnonzero(must & (lexical.max(axis=1) < SURE))
    own, partner = side.vectors[left], other.vectors[near[left].argmax(axis=1)]
    count = np.full(len(left), len(left) / 10)
    numbers = [lexical[left].max(axis=1), near[left].max(axis=1), side.rarity[left], count, np.full(len(left), overlap)]
    scale = math.sqrt(DIMENSIONS)
    parts = [own * (scale / 2), own * partner * (DIMENSIONS / 4), np.stack(numbers, axis=1).reshape(len(left), 5)]
    joined: Floats = np.concatenate(parts, axis=1).astype(np.float32)
    return joined


def _side(side: Seen, lexical: Floats, near: NDArray[np.floating]) -> dict[str, float]:
    items, count = side.items, len(side.items)
    must = np.array([item.must_match for item in items], dtype=bool)
    left = is_left(side.items, lexical)
    best = lexical.max(axis=1) if lexical.shape[1] else np.zeros(count)
    near = np.where((best >= TYPO) & (best < 0.95), np.maximum(near, 0.95), near)  # a typo moves the vector
    support = np.maximum(best, near)
    weight = side.rarity * must
    kinds = [item.kind for item in items]
    found = {
        "items": float(must.sum()),
        "left": float(left.sum()),
        "left_share": float(left.sum() / max(must.sum(), 1)),
        "left_weight": float((weight * left).sum()),
        "left_weight_share": float((weight * left).sum() / max(weight.sum(), 1e-6)),
        "left_rarest": float((weight * left).max(initial=0)),
        "support_min": float(support[must].min(initial=1)),
        "support_mean": float(support[must].mean()) if must.any() else 1.0,
        "near_min": float(near[must].min(initial=1)),
        "near_mean": float(near[must].mean()) if must.any() else 1.0,
        "left_near_min": float(near[left].min(initial=1)),
        "left_near_mean": float(near[left].mean()) if left.any() else 1.0,
        "left_lack": float(((1 - near) * weight)[left].sum()),
        "lack": float(((1 - support) * weight).sum()),
        "tokens": float(len(side.tokens)),
    }
    for kind in ("number", "ordinal", "unit", "date", "code", "name", "negation", "content"):
        wanted = ("month", "weekday") if kind == "date" else (kind,)
        found[f"left_{kind}"] = float(sum(1 for i in np.flatnonzero(left) if kinds[i] in wanted))
    capital = [i for i in np.flatnonzero(left) if items[i].is_capital or kinds[i] == "name"]
    found["left_name_near"] = min((float(near[i]) for i in capital), default=1.0)
    content = [i for i in np.flatnonzero(left) if kinds[i] == "content"]
    found["left_content_near"] = min((float(near[i]) for i in content), default=1.0)
    return found
