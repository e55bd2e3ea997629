"""How many tokens a text has, about, and rather too many: until its model's tokenizer has counted it."""

import math
import re
from collections.abc import Mapping
from typing import Any

import orjson

OF_A_MESSAGE = 8  # what a chat template puts around one
# Words, capitals and mixed letters, digits, signs, other alphabets, line breaks.
_PIECES = re.compile(
    r"([A-Za-z]?[a-z]+)|([A-Za-z]+)|([0-9])|([^\sA-Za-z0-9\x80-\U0010ffff]+)|([\x80-\U0010ffff]+)|(\n+)"
)
MARGIN = 1.1


def estimate(text: str) -> int:
    """About how many tokens a text has, with a margin.

    The shares were fitted on SmolLM2's tokenizer (vocabulary of 49,152, small, so others rather make fewer): its count
    is met or passed for English, German, Finnish, Russian, Chinese, emoji, code, JSON, hex and digits, by a fifth for
    English. It falls short of base64 by a twentieth, of Korean by a tenth, of Amharic by a fifth, and of random small
    letters by more.
    """
    tokens = 0.0
    for word, letters, digit, signs, other, _ in _PIECES.findall(text):
        if word:
            tokens += 1 + max(0, len(word) - 5) / 2.4
        elif letters:
            tokens += max(1.0, len(letters) / 1.4)
        elif signs:
            tokens += (len(signs) + 1) / 2 if len(signs) < 4 else len(signs)
        elif other:
            tokens += 0.7 * len(other.encode()) + 0.3
        else:
            tokens += 1 if digit else 0.7
    return math.ceil(tokens * MARGIN)


def estimate_message(message: Mapping[str, Any]) -> int:
    """A message of a chat request, with what a template puts around it."""
    tokens = OF_A_MESSAGE + sum(estimate(message.get(name) or "") for name in ("content", "refusal"))
    for call in message.get("tool_calls") or ():
        tokens += OF_A_MESSAGE + estimate(orjson.dumps(call["function"]).decode())
    return tokens


def estimate_body(body: Mapping[str, Any]) -> int:
    """A whole chat request."""
    tokens = sum(map(estimate_message, body["messages"]))
    return tokens + sum(
        estimate(orjson.dumps(body[name]).decode()) for name in ("tools", "response_format") if body.get(name)
    )
