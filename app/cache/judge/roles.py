"""Features of order: the same words in other roles, as A to B and B to A."""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from app.cache.judge.alignment import COMPOUND, CONCEPT, TYPO
from app.cache.judge.seen import PLACES, Seen

Floats = NDArray[np.float32]

DIRECTIONS = frozenset("from to into before after than".split())
TOWARDS = {"into": "to", "onto": "to"}

PERSONS = {
    form: person
    for person, forms in enumerate(
        ("i me my mine", "you your yours", "he him his", "she her hers", "we us our ours", "they them their theirs")
    )
    for form in forms.split()
}

PASSED_OVER = frozenset(
    "a an the my your our their his her its this that these those i you we they it do does is are".split()
)


def order(a: Seen, b: Seen, lexical: Floats) -> dict[str, float]:
    """The same words in other roles: A to B and B to A."""
    pairs = [
        (i, int(lexical[i].argmax()))
        for i in range(len(a.items))
        if lexical.shape[1] and lexical[i].max() >= 0.9 and a.items[i].must_match
    ]
    swapped = total = 0
    for k, (i, j) in enumerate(pairs):
        for m, n in pairs[k + 1 :]:
            if j != n:
                total += 1
                swapped += (i < m) != (j < n)
    place_conflict = place_same = 0
    for i, j in pairs:
        one, other = a.places[i], b.places[j]
        place_conflict += bool(one and other and one != other)
        place_same += bool(one and one == other)
    only = [_only(side) for side in (a, b)]
    return {
        "swapped": swapped / max(total, 1),
        "swapped_any": float(swapped > 0),
        "places_conflict": float(place_conflict),
        "places_same": float(place_same),
        "direction_conflict": float(only[0] != only[1]),
        "swap_of_names": float(_names_swapped(a, b)),
        "persons_exchanged": float(_persons_exchanged(a, b)),
    }


def _names_swapped(a: Seen, b: Seen) -> bool:
    hard = ("name", "number", "unit", "code", "month")
    placed = [
        [
            (item.lemma, place)
            for item, place in zip(side.items, side.places, strict=True)
            if item.kind in hard or item.is_capital
        ]
        for side in (a, b)
    ]
    orders = [[lemma for lemma, _ in side] for side in placed]
    if orders[0] == orders[1] or sorted(orders[0]) != sorted(orders[1]) or len(orders[0]) < 2:
        return False
    # Each with its own preposition: "from Rome to Milan" is "to Milan from Rome".
    bare = sum(not place for _, place in placed[0])
    return not (sorted(placed[0]) == sorted(placed[1]) and bare < 2)


def _persons_exchanged(a: Seen, b: Seen) -> bool:
    """ "I miss you" and "you miss me"."""
    orders = [[PERSONS[word.text] for word in side.question.words if word.text in PERSONS] for side in (a, b)]
    return orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1])


def roles_swapped(
    a: Seen, b: Seen, lexical: Floats, places: frozenset[str], same_place: Mapping[str, str] = MappingProxyType({})
) -> int:
    """From A to B against from B to A: a preposition whose objects changed places with another item. Prepositions
    that `same_place` maps to one count as that one."""
    swaps = 0
    counts = [Counter(item.lemma for item in side.items) for side in (a, b)]
    objects = [_objects(side, same_place) for side in (a, b)]
    for name in objects[0].keys() & objects[1].keys() & places:
        for i in objects[0][name]:
            j = int(lexical[i].argmax()) if lexical.shape[1] else 0
            if counts[0][a.items[i].lemma] > 1 or counts[1][a.items[i].lemma] > 1:
                continue
            if lexical[i, j] < 0.9 or j in objects[1][name]:
                continue
            for n in objects[1][name]:
                m = int(lexical[:, n].argmax())
                if counts[1][b.items[n].lemma] > 1 or counts[0][b.items[n].lemma] > 1:
                    continue
                if lexical[m, n] >= 0.9 and m not in objects[0][name]:
                    swaps += 1
    return swaps


def _objects(side: Seen, same_place: Mapping[str, str]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for row, item in enumerate(side.items):
        place = side.places[row]
        if place and item.must_match:
            found.setdefault(same_place.get(place, place), set()).add(row)
    return found


def wording(a: Seen, b: Seen, lexical: Floats) -> dict[str, float]:
    """Whether both have the same words, typos aside, and which of them hang on another word than before."""
    rows = lexical.max(axis=1) if lexical.shape[1] else np.zeros(len(a.items))
    columns = lexical.max(axis=0) if len(lexical) else np.zeros(len(b.items))
    must = [np.array([item.must_match for item in side.items], dtype=bool) for side in (a, b)]
    sure = [np.where((best == CONCEPT) | (best < COMPOUND), 0, 1) for best in (rows, columns)]
    all_sure = all(bool((sure[k] >= must[k]).all()) for k in (0, 1))
    stops = [sorted(word.text for word in side.question.words if word.text in PLACES) for side in (a, b)]
    moved = 0
    if len(a.items) and len(b.items):
        counts = [Counter(item.lemma for item in side.items) for side in (a, b)]
        governors = [_governors(side) for side in (a, b)]
        texts = [{word.lemma for word in side.question.words} for side in (a, b)]
        for i, j in enumerate(lexical.argmax(axis=1)):
            lemma = a.items[i].lemma
            unique = counts[0][lemma] == 1 and counts[1][lemma] == 1
            if lexical[i, j] >= COMPOUND and a.items[i].must_match and unique:
                one, other = governors[0][i], governors[1][int(j)]
                moved += bool(one and other and one != other and one in texts[1] and other in texts[0])
    return {
        "same_words": float(all_sure),
        "same_places": float(stops[0] == stops[1]),
        "same_words_places": float(all_sure and stops[0] == stops[1]),
        "moved": float(moved),
        "moved_same": float(moved) * (1 + 2 * all_sure),
        "typos": float(((rows >= COMPOUND) & (rows <= TYPO)).sum()),
    }


def _governors(side: Seen) -> list[str]:
    """For each item the word before it, articles and the like passed over; "" at the beginning."""
    found = []
    for item in side.items:
        at = item.first - 1
        while at >= 0 and side.question.words[at].text in PASSED_OVER:
            at -= 1
        found.append(side.question.words[at].lemma if at >= 0 else "")
    return found


def _only(side: Seen) -> tuple[bool, ...]:
    texts = {word.text for word in side.question.words}
    return tuple(
        bool(texts & group)
        for group in (
            {"before", "prior"},
            {"after", "following", "once"},
            {"only"},
            {"all", "every", "each"},
            {"if", "unless"},
        )
    )
