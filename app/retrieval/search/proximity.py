"""How near to each other a query's words stand in a passage."""

from collections.abc import Sequence

from app.retrieval.search.question import Question

WINDOW = 160  # characters: about one sentence or two
_MAX_PLACES = 8  # of one word


def proximity(question: Question, share: Sequence[float], text: str) -> float:
    """The greatest share of the query's terms, by what each tells (`share`, which sums up to 1), that begin within
    `WINDOW` characters of each other. `text` in lower case."""
    if len(question.roots) < 2:
        return float(bool(question.roots) and question.roots[0][0] in text)
    places: list[tuple[int, int]] = []
    weights = [sum(share[index] for index in own) for _, own in question.roots]
    for word, (root, _) in enumerate(question.roots):
        at = text.find(root)
        count = 0
        while at >= 0 and count < _MAX_PLACES:
            if at == 0 or not text[at - 1].isalnum():
                places.append((at, word))
                count += 1
            at = text.find(root, at + len(root))
    places.sort()
    return _densest(places, weights)


def _densest(places: Sequence[tuple[int, int]], weights: Sequence[float]) -> float:
    best = current = 0.0
    inside: dict[int, int] = {}
    first = 0
    for at, word in places:
        count = inside.get(word, 0)
        inside[word] = count + 1
        if not count:
            current += weights[word]
        while at - places[first][0] > WINDOW:
            gone = places[first][1]
            inside[gone] -= 1
            if not inside[gone]:
                current -= weights[gone]
            first += 1
        best = max(best, current)
    return min(1.0, best)


def stands_in(word: str, text: str) -> bool:
    """Whether it stands in the text as a word by itself."""
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        is_free = (at == 0 or not _is_word(text[at - 1])) and (end == len(text) or not _is_word(text[end]))
        if is_free:
            return True
        at = text.find(word, at + 1)
    return False


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
