"""Features of contrast: opposites, things of one kind, other numbers, units and negations."""

import itertools

import numpy as np
from numpy.typing import NDArray

from app.cache.judge.alignment import are_opposites, is_left
from app.cache.judge.lexicon import load_lexicon
from app.cache.judge.seen import Seen
from app.cache.judge.vocabulary import CURRENCIES

Floats = NDArray[np.float32]

TIMES = frozenset("s minute hour day week month year decade century ms degree percent".split())


def contrast(a: Seen, b: Seen, lexical: Floats, near: Floats) -> dict[str, float]:
    """What is left over on both sides, compared: opposites, things of one kind, numbers."""
    left_a, left_b = np.flatnonzero(is_left(a.items, lexical)), np.flatnonzero(is_left(b.items, lexical.T))
    lexicon = load_lexicon()
    opposites = siblings = 0
    both_names = 0
    for i, one in enumerate(a.items):
        for j, other in enumerate(b.items):
            if are_opposites(one, other):
                exact = lexical[i].max() == 1 and lexical[:, j].max() == 1
                opposites += not exact
    for i in left_a:
        for j in left_b:
            siblings += lexicon.are_siblings(a.items[i].lemma, b.items[j].lemma)
            both_names += a.items[i].kind == b.items[j].kind == "name"
    residual = 0.0
    if left_a.size and left_b.size:
        one, other = a.vectors[left_a].mean(axis=0), b.vectors[left_b].mean(axis=0)
        residual = float(one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-9))
    pair_near = float(near[np.ix_(left_a, left_b)].max()) if left_a.size and left_b.size else 0.0
    # "one" is as often a pronoun or an article as a number.
    numbers = [
        sorted(item.lemma for item in side.items if item.kind in ("number", "code") and item.lemma != "1")
        for side in (a, b)
    ]
    units = [{item.lemma for item in side.items if item.kind == "unit"} for side in (a, b)]
    dates = [{item.lemma for item in side.items if item.kind in ("month", "weekday")} for side in (a, b)]
    negations = [sum(item.kind == "negation" for item in side.items) for side in (a, b)]
    parity = [(negations[k] + side.negative_prefixes) % 2 for k, side in enumerate((a, b))]
    return {
        "opposites": float(opposites),
        "siblings": float(siblings),
        "both_names": float(both_names),
        "both_left": float(min(left_a.size, left_b.size)),
        "either_left": float(max(left_a.size, left_b.size)),
        "only_one_left": float((left_a.size == 0) != (left_b.size == 0)),
        "residual": residual,
        "residual_pair": pair_near,
        "numbers_differ": float(numbers[0] != numbers[1]),
        "numbers_conflict": float(bool(set(numbers[0]) - set(numbers[1])) and bool(set(numbers[1]) - set(numbers[0]))),
        "units_differ": float(units[0] != units[1]),
        "units_conflict": float(bool(units[0] - units[1]) and bool(units[1] - units[0])),
        "measures_conflict": float(bool((units[0] - units[1]) - TIMES) and bool((units[1] - units[0]) - TIMES)),
        "quantities_conflict": float(_quantities_conflict(a, b)),
        "dates_differ": float(dates[0] != dates[1]),
        "negations_differ": float((negations[0] > 0) != (negations[1] > 0)),
        "negations_both": float(min(negations)),
        "parity_differs": float(parity[0] != parity[1]),
        "has_number": float(bool(numbers[0] or numbers[1])),
    }


def _quantities_conflict(a: Seen, b: Seen) -> bool:
    """A number has one unit here and another there: 100 g and 100 ounces."""
    found: list[dict[str, set[str]]] = []
    for side in (a, b):
        units: dict[str, set[str]] = {}
        words = side.question.words
        for word, following in itertools.pairwise(words):
            first, second = (word, following) if word.kind == "number" else (following, word)
            is_quantity = first.kind == "number" and second.kind == "unit" and second.lemma != "degree"
            if is_quantity and (word.kind == "number" or second.lemma in CURRENCIES):
                units.setdefault(first.lemma, set()).add(second.lemma)
        found.append(units)
    return any(not found[0][number] & found[1][number] for number in found[0].keys() & found[1].keys())
