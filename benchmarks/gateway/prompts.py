"""Prompts that no cache has seen: a counter, and words drawn by chance."""

import random
from enum import StrEnum

WORDS = (
    "anchor basin candle delta engine fabric garden harbor island jacket kernel ladder market needle orbit pillar "
    "quartz river saddle timber umbrella valley window yarn zipper acorn bridge copper drum ember feather glacier "
    "hammer insect jungle kettle lantern meadow nickel ocean paper quiver rocket signal tunnel urn velvet wagon "
    "barley cactus dynamo eclipse furnace granite helmet ivory jigsaw knot lemon mirror nectar oyster piston "
    "ribbon silo thread turbine violin walnut zenith almond bucket canyon dagger estuary flute gravel horizon"
).split()


class Size(StrEnum):
    """How long prompts are."""

    SHORT = "short"
    LONG = "long"


CHARACTERS = {Size.SHORT: 30, Size.LONG: 400}


def prompt(run: str, number: int, size: Size, chance: random.Random) -> str:
    """Text of roughly `CHARACTERS[size]` characters. `run` tells runs apart: a cache may outlive one."""
    words = [f"{run}-{number}:"]
    length = len(words[0])
    while length < CHARACTERS[size] - 3:
        word = chance.choice(WORDS)
        words.append(word)
        length += 1 + len(word)
    return " ".join(words)
