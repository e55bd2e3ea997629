"""Sentences made from the patterns in evals/guard/injection/grammar.txt, and documents with such sentences in them."""

import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

_SLOT = re.compile(r"\{([a-z]+)\}")
_HEADER = re.compile(r"\[([a-z ]+)\]")
_DEPTH = 8  # of slots within slots


def read_grammar(path: Path) -> dict[str, list[str]]:
    """Slot -> its lines. Raises ValueError with the line of a slot that is not there."""
    slots: dict[str, list[str]] = {}
    at: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        header = _HEADER.fullmatch(line)
        if header:
            at = slots.setdefault(header[1], [])
        elif line and not line.startswith("# ") and not (line.startswith("#") and not at):
            at.append(line)
    for name, lines in slots.items():
        for line in lines:
            for slot in _SLOT.findall(line):
                if slot not in slots:
                    raise ValueError(f"{path}: [{name}] uses {{{slot}}}, which is not there: {line}")
    return slots


def make(slots: Mapping[str, Sequence[str]], name: str, count: int, draw: random.Random) -> list[str]:
    """`count` different sentences of a slot; fewer where it has not as many."""
    made: dict[str, None] = {}
    for _ in range(count * 4):
        made[_surface(_expand(draw.choice(slots[name]), slots, draw, _DEPTH), draw)] = None
        if len(made) == count:
            break
    return list(made)


def _expand(line: str, slots: Mapping[str, Sequence[str]], draw: random.Random, depth: int) -> str:
    if depth == 0:
        return line
    return _SLOT.sub(lambda slot: _expand(draw.choice(slots[slot[1]]), slots, draw, depth - 1), line)


def _surface(text: str, draw: random.Random) -> str:
    """Sentences begin with a capital letter; some writers do without, or shout."""
    text = re.sub(r"([.!?] |^)([a-z])", lambda match: match[1] + match[2].upper(), text)
    chance = draw.random()
    if chance < 0.12:
        return text.lower()
    return text.upper() if chance > 0.985 else text
