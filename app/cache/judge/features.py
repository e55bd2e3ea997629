"""What the judge's model sees of a pair: named numbers, the same for (a, b) and (b, a)."""

import itertools
import math
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.cache.judge.alignment import COMPOUND, CONCEPT, Item, TYPO, are_opposites, items_of, relations
from app.cache.judge.concepts import ASKED
from app.cache.judge.lexicon import load_lexicon
from app.cache.judge.payload import shared_payload
from app.cache.judge.vocabulary import CURRENCIES
from app.cache.judge.words import Question, read
from app.retrieval.embedder import TokenVectors

Floats = NDArray[np.float32]
MOST_ITEMS = 160  # of a side; the work is quadratic
VOCABULARY = 30_522
PLACES = ("from", "to", "into", "in", "before", "after", "than", "by", "for", "of", "with", "on", "at", "between", "under",
          "over", "against", "per", "instead", "through", "via", "without", "until", "since", "as")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """One question, analysed: its items, the vector of each, and all the model's token vectors."""

    question: Question
    items: tuple[Item, ...]
    vectors: Floats  # (items, dimensions), rows of unit length
    rarity: Floats  # (items,), 0 common to 1 rare
    tokens: Floats  # (tokens, dimensions), rows of unit length, special ones left out
    pooled: Floats
    trigrams: frozenset[str]


def see(text: str, found: TokenVectors) -> Seen:
    """Analyse one text with its token vectors."""
    question = read(text)
    items = tuple(items_of(question))[:MOST_ITEMS]
    spans = np.array(found.spans, dtype=np.int32).reshape(-1, 2)
    ids = np.array(found.ids)
    vectors = np.zeros((len(items), found.vectors.shape[1]), dtype=np.float32)
    rarity = np.ones(len(items), dtype=np.float32)
    starts, ends = spans[:, 0], spans[:, 1]
    for row, item in enumerate(items):
        words = question.words[item.first : item.first + item.words]
        inside = np.flatnonzero((ends > words[0].start) & (starts < words[-1].end) & (ends > starts))
        if inside.size:
            vectors[row] = found.vectors[inside].mean(axis=0)
            # The vocabulary is sorted by frequency; a word in pieces is rare.
            rarest = VOCABULARY if inside.size > item.words else int(ids[inside].max())
            rarity[row] = math.log(max(rarest - 1996, 1) + 200) / math.log(VOCABULARY)
    real = found.vectors[ends > starts]
    plain = " ".join(word.text for word in question.words)
    padded = f" {plain} "
    return Seen(
        question,
        items,
        _unit(vectors),
        rarity,
        _unit(real),
        found.pooled,
        frozenset(padded[i : i + 3] for i in range(len(padded) - 2)),
    )


def _unit(rows: Floats) -> Floats:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


@dataclass(frozen=True, slots=True)
class Compared:
    """A pair as the model sees it.

    `features` are named numbers. `loose` has a row for each item, of either side, that the other side does not
    have word for word: its vector, that of the nearest item there, and five numbers; shape (items, LOOSE_WIDTH).
    """

    features: dict[str, float]
    loose: Floats


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
    found |= _contrast(a, b, lexical, near)
    found |= _asked(a, b)
    found |= _surface(a, b)
    found |= _order(a, b, lexical)
    found |= _marks(a, b)
    found |= _wording(a, b, lexical)
    found |= _around_payload(a, b, lexical, near)
    found["roles_swapped"] = float(_roles_swapped(a, b, lexical, frozenset(PLACES) - {"between", "with", "of"}))
    found["directions_swapped"] = float(_roles_swapped(a, b, lexical, DIRECTIONS))
    overlap = found["word_overlap"]
    return Compared(found, np.concatenate([_loose(a, b, lexical, near, overlap), _loose(b, a, lexical.T, near.T, overlap)]))


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


SURE = 0.97  # of `relation`: word for word
DIMENSIONS = 384
LOOSE_WIDTH = 2 * DIMENSIONS + 5


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
    return np.concatenate(parts, axis=1).astype(np.float32)


def _left(side: Seen, lexical: Floats) -> NDArray[np.bool_]:
    """Items that must have a counterpart and have none by the words."""
    must = np.array([item.must_match for item in side.items], dtype=bool)
    best = lexical.max(axis=1) if lexical.shape[1] else np.zeros(len(side.items))
    return must & (best == 0)


def _side(side: Seen, lexical: Floats, near: NDArray[np.floating]) -> dict[str, float]:
    items, count = side.items, len(side.items)
    must = np.array([item.must_match for item in items], dtype=bool)
    left = _left(side, lexical)
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


def _contrast(a: Seen, b: Seen, lexical: Floats, near: Floats) -> dict[str, float]:
    """What is left over on both sides, compared: opposites, things of one kind, numbers."""
    left_a, left_b = np.flatnonzero(_left(a, lexical)), np.flatnonzero(_left(b, lexical.T))
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
    prefixed = [_negative_prefixes(side) for side in (a, b)]
    parity = [(negations[k] + prefixed[k]) % 2 for k in (0, 1)]
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


TIMES = frozenset("s minute hour day week month year decade century ms degree percent".split())


def _quantities_conflict(a: Seen, b: Seen) -> bool:
    """A number has one unit here and another there: 100 g and 100 ounces."""
    found: list[dict[str, set[str]]] = []
    for side in (a, b):
        units: dict[str, set[str]] = {}
        words = side.question.words
        for word, following in itertools.pairwise(words):
            first, second = (word, following) if word.kind == "number" else (following, word)
            if first.kind == "number" and second.kind == "unit" and second.lemma != "degree":
                if word.kind == "number" or second.lemma in CURRENCIES:
                    units.setdefault(first.lemma, set()).add(second.lemma)
        found.append(units)
    return any(not found[0][number] & found[1][number] for number in found[0].keys() & found[1].keys())


def _negative_prefixes(side: Seen) -> int:
    """Words as "unsafe" whose bare form is a word."""
    senses, lemma = load_lexicon().senses, load_lexicon().lemma
    count = 0
    for word in side.question.words:
        for prefix in ("un", "dis", "non", "de", "in", "im"):
            bare = word.text.removeprefix(prefix).removeprefix("-")
            if bare != word.text and len(bare) > 3 and lemma(bare) in senses and prefix in ("un", "dis", "non"):
                count += 1
    return count


def _asked(a: Seen, b: Seen) -> dict[str, float]:
    asked = [{name for item in side.items for name in item.concepts if name in ASKED} for side in (a, b)]
    first = [_question_word(side) for side in (a, b)]
    shared = asked[0] & asked[1]
    lack = sorted((len(asked[0] - asked[1]), len(asked[1] - asked[0])))
    heads = [_head(side) for side in (a, b)]
    return {
        "asked_shared": float(len(shared)),
        "asked_lack.low": float(lack[0]),
        "asked_lack.high": float(lack[1]),
        "asked_disjoint": float(bool(asked[0]) and bool(asked[1]) and not shared),
        "same_question_word": float(first[0] == first[1]),
        "question_words_conflict": float(bool(first[0]) and bool(first[1]) and first[0] != first[1]),
        "question_word_missing": float(not first[0]) + float(not first[1]),
        "heads_conflict": float(bool(heads[0]) and bool(heads[1]) and not heads[0] & heads[1]),
        "heads_share": float(bool(heads[0] & heads[1])),
    }


def _question_word(side: Seen) -> str:
    words = [word.text for word in side.question.words]
    for at, word in enumerate(words):
        if word in ("how", "why", "when", "where", "who", "whom", "whose", "what", "which"):
            if word == "how" and at + 1 < len(words) and words[at + 1] not in ("do", "can", "to", "i", "should", "does", "did"):
                return f"how {words[at + 1]}"
            return {"whom": "who", "which": "what"}.get(word, word)
    return ""


def _head(side: Seen) -> frozenset[str]:
    """What is asked for by the first item that asks for something."""
    for item in side.items:
        found = item.concepts & ASKED
        if found:
            return found
    return frozenset()


def _surface(a: Seen, b: Seen) -> dict[str, float]:
    bags = [set(side.question.key) for side in (a, b)]
    lengths = sorted(len(side.question.words) for side in (a, b))
    every = a.tokens @ b.tokens.T if len(a.tokens) and len(b.tokens) else np.zeros((1, 1), dtype=np.float32)
    rows, columns = every.max(axis=1), every.max(axis=0)
    lowest = sorted((float(rows.min()), float(columns.min())))
    fifth = sorted((float(np.sort(rows)[: max(1, len(rows) // 5)].mean()), float(np.sort(columns)[: max(1, len(columns) // 5)].mean())))
    means = sorted((float(rows.mean()), float(columns.mean())))
    bag_left = sorted(_bag_left(one, other) for one, other in ((a, b), (b, a)))
    symbols = [Counter(SYMBOL.findall(side.question.text)) for side in (a, b)]
    symbols_off = sum((symbols[0] - symbols[1]).values()) + sum((symbols[1] - symbols[0]).values())
    digits = [re.findall(r"\d+", side.question.text) for side in (a, b)]
    return {
        "same_key": float(a.question.key == b.question.key and symbols_off == 0),
        "same_bag": float(bags[0] == bags[1]),
        "word_overlap": len(bags[0] & bags[1]) / max(len(bags[0] | bags[1]), 1),
        "trigram_overlap": len(a.trigrams & b.trigrams) / max(len(a.trigrams | b.trigrams), 1),
        "common_run": _common(a.question.key, b.question.key) / max(lengths[1], 1),
        "length.low": float(lengths[0]),
        "length.high": float(lengths[1]),
        "length_ratio": lengths[0] / max(lengths[1], 1),
        "token_min.low": lowest[0],
        "token_min.high": lowest[1],
        "token_fifth.low": fifth[0],
        "token_fifth.high": fifth[1],
        "token_mean.low": means[0],
        "token_mean.high": means[1],
        "bag_left.low": float(bag_left[0]),
        "bag_left.high": float(bag_left[1]),
        "bag_left_sum": float(sum(bag_left)),
        "symbols_off": float(symbols_off),
        "symbols": float(min(sum(counts.values()) for counts in symbols)),
        "digits_differ": float(sorted(digits[0]) != sorted(digits[1])),
    }


SYMBOL = re.compile(r"[\\^$(){}\[\]|*+=<>/@#~&_]")


def _bag_left(side: Seen, other: Seen) -> int:
    """Words with a meaning that stand here more often than there."""
    more = Counter(w.lemma for w in side.question.words if w.has_meaning)
    more.subtract(Counter(w.lemma for w in other.question.words))
    return sum(count for count in more.values() if count > 0)


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """Longest common subsequence, of at most 120 words each."""
    one, other = one[:120], other[:120]
    row = [0] * (len(other) + 1)
    for left in one:
        diagonal = 0
        for j, right in enumerate(other, 1):
            diagonal, row[j] = row[j], diagonal + 1 if left == right else max(row[j], row[j - 1])
    return row[-1]


def _order(a: Seen, b: Seen, lexical: Floats) -> dict[str, float]:
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
    words_a, words_b = a.question.words, b.question.words
    place_conflict = place_same = 0
    for i, j in pairs:
        one, other = _place(words_a, a.items[i].first), _place(words_b, b.items[j].first)
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
    }


def _place(words: tuple[object, ...], first: int) -> str:
    """The preposition before an item, articles and the like between them."""
    for at in range(first - 1, max(first - 4, -1), -1):
        word = words[at]
        if word.text in PLACES:  # type: ignore[attr-defined]
            return str(word.text)  # type: ignore[attr-defined]
        if word.kind != "stop":  # type: ignore[attr-defined]
            return ""
    return ""


MARKS = {
    "if": "if unless whether case suppose assuming provided",
    "only": "only solely exclusively just alone",
    "all": "all every each everything entire whole any",
    "before": "before prior ahead until till",
    "after": "after following once afterwards since",
    "still": "still already again anymore yet back longer",
    "instead": "instead rather else other another different alternative",
    "why": "why reason reasons cause causes because",
    "how": "how steps step method procedure way guide instructions",
    "when": "when date deadline time until",
    "where": "where place location",
    "who": "who whom whose person",
    "can": "can may could allowed allow possible permitted ok okay legal",
    "should": "should must need required mandatory ought necessary",
    "happen": "happen happens happened consequence consequences effect effects",
    "difference": "difference differences differ versus compare better worse comparison",
    "me": "i me my mine we our us",
    "past": "was were did had used previously former",
    "future": "will going next future upcoming",
    "more": "more most highest greater larger above over exceed",
    "less": "less least lowest smaller fewer below under",
}
MARKED = {name: frozenset(words.split()) for name, words in MARKS.items()}
TASKS = frozenset("write translate summarise shorten rewrite proofread classify extract convert list_task explain".split())


def _marks(a: Seen, b: Seen) -> dict[str, float]:
    """Small words that one question has and the other has not."""
    texts = [{word.text for word in side.question.words} for side in (a, b)]
    found = {
        f"mark_{name}": float(texts[0].isdisjoint(words) != texts[1].isdisjoint(words)) for name, words in MARKED.items()
    }
    heads = [_head_word(side) for side in (a, b)]
    found["heads_differ"] = float(bool(heads[0]) and bool(heads[1]) and heads[0] != heads[1])
    papers = [_writes_paper(side) for side in (a, b)]
    asks = [_is_question(side) for side in (a, b)]
    found["papers_differ"] = float((papers[0] and asks[1]) or (papers[1] and asks[0]))
    tasks = [_task(side) for side in (a, b)]
    found["tasks_differ"] = float(tasks[0] != tasks[1])
    found["tasks_conflict"] = float(bool(tasks[0]) and bool(tasks[1]) and tasks[0] != tasks[1])
    closed = [side.question.words[0].text in CLOSED if side.question.words else False for side in (a, b)]
    found["closed_differs"] = float(closed[0] != closed[1])
    return found


WRITING = frozenset("write draft compose create make".split())
PAPERS = frozenset("email mail letter poem note story essay tweet haiku song joke slogan blog message post speech".split())
HEADS = ("who", "when", "where", "why")


def _writes_paper(side: Seen) -> bool:
    """It begins with "Write an email" or the like."""
    words = [word.text for word in side.question.words[:6]]
    return bool(words) and words[0] in WRITING and not PAPERS.isdisjoint(words)


def _is_question(side: Seen) -> bool:
    """It begins as questions do, and speaks of nothing to be written."""
    words = [word.text for word in side.question.words]
    opens = bool(words) and (words[0] in CLOSED or words[0] in ("how", "what", "which", *HEADS))
    return opens and PAPERS.isdisjoint(words)


def _head_word(side: Seen) -> str:
    """Who, when, where, why, how many ... if the question begins with it; else ""."""
    words = [word.text for word in side.question.words[:2]]
    if words and words[0] in HEADS:
        return words[0]
    if len(words) > 1 and words[0] == "how" and words[1] in ("many", "long", "often", "much", "old", "far", "tall", "high"):
        return f"how {words[1]}"
    return ""


CLOSED = frozenset("is are was were do does did can could may should must will would has have am".split())


def _task(side: Seen) -> str:
    """The task verb that the question begins a sentence with."""
    for item in side.items[:3]:
        hit = item.concepts & TASKS
        if hit:
            return sorted(hit)[0]
    return ""


DIRECTIONS = frozenset("from to into before after than".split())


def _roles_swapped(a: Seen, b: Seen, lexical: Floats, places: frozenset[str]) -> int:
    """From A to B against from B to A: a preposition whose objects changed places with another item."""
    swaps = 0
    counts = [Counter(item.lemma for item in side.items) for side in (a, b)]
    objects = [_objects(side) for side in (a, b)]
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


def _wording(a: Seen, b: Seen, lexical: Floats) -> dict[str, float]:
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


PASSED_OVER = frozenset("a an the my your our their his her its this that these those i you we they it do does is are".split())


def _governors(side: Seen) -> list[str]:
    """For each item the word before it, articles and the like passed over; "" at the beginning."""
    found = []
    for item in side.items:
        at = item.first - 1
        while at >= 0 and side.question.words[at].text in PASSED_OVER:
            at -= 1
        found.append(side.question.words[at].lemma if at >= 0 else "")
    return found


def _objects(side: Seen) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for row, item in enumerate(side.items):
        place = _place(side.question.words, item.first)
        if place and item.must_match:
            found.setdefault(place, set()).add(row)
    return found


def _only(side: Seen) -> tuple[bool, ...]:
    texts = {word.text for word in side.question.words}
    return tuple(bool(texts & group) for group in ({"before", "prior"}, {"after", "following", "once"}, {"only"}, {"all", "every", "each"}, {"if", "unless"}))


def _names_swapped(a: Seen, b: Seen) -> bool:
    hard = ("name", "number", "unit", "code", "month")
    orders = [[item.lemma for item in side.items if item.kind in hard or item.is_capital] for side in (a, b)]
    return orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1]) and len(orders[0]) > 1
