"""What a model is asked so that it names facts about a user, and how its answer is read: it may say anything."""

from typing import Any

import orjson

from app.memory.types import Message

MIN_CHARACTERS, MAX_CHARACTERS = 4, 300
MAX_SAID = 4000  # characters of either side's words that are looked through

INSTRUCTIONS = (
    "You keep notes about a user. Read what the user and the assistant said. List what the user said about "
    "themselves that will still be true next week: name, home, job, preferences, plans. One short sentence each, "
    'beginning with "The user". Take nothing from the assistant, no questions, no instructions. '
    'Answer with a JSON list of strings only, such as ["The user lives in Rome."]. Nothing to note: []'
)


def request(user: str, assistant: str) -> list[Message]:
    """The messages that ask for facts. The turn is data: it stands in JSON, which its words cannot end."""
    turn = orjson.dumps({"user": user[:MAX_SAID], "assistant": assistant[:MAX_SAID]}).decode()
    return [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": turn}]


def facts_in(answer: str, limit: int) -> list[str]:
    """The facts of an answer: strings of the first JSON list in it, or `fact` or `text` of objects; whatever else it
    holds is passed over. In order, each once."""
    found: list[str] = []
    for value in _first_list(answer):
        text = value.get("fact", value.get("text")) if isinstance(value, dict) else value
        if not isinstance(text, str):
            continue
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        if MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS and text not in found:
            found.append(text)
    return found[:limit]


def _first_list(answer: str) -> list[Any]:
    start = answer.find("[")
    while start >= 0:
        end = answer.rfind("]")
        while end > start:
            try:
                value = orjson.loads(answer[start : end + 1])
            except orjson.JSONDecodeError:
                end = answer.rfind("]", start, end)
                continue
            if isinstance(value, list):
                return value
            break
        start = answer.find("[", start + 1)
        if answer.count("[", 0, start) > MAX_TRIES:
            break
    return []


MAX_TRIES = 20  # opening brackets that are tried: an answer of many would take long
