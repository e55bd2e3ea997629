"""The beginning of a prompt in few characters, for whoever has to know which prompts begin alike.

An engine's prefix cache holds blocks of tokens, and a block can be used again where everything before it is the same.
So do marks: each stands for a block of the prompt and all before it, and two prompts have as many marks in common as
they have whole blocks in common. No text can be read out of them.
"""

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

BLOCK_BYTES = 64  # about 16 tokens, vLLM's usual block
MAX_BLOCKS = 2048  # 128 KiB: what two prompts have in common past that decides nothing

# The code points past the basic plane: a million, and no surrogates among them.
_FIRST, _MASK = 0x10000, 0xFFFFF


def prefix_marks(body: Mapping[str, Any]) -> str:
    """One character for each whole block of the prompt, from its beginning.

    A character is 20 bits of a running CRC-32. Two beginnings that differ get the same one once in a million blocks,
    which costs a worse choice and nothing else.
    """
    beginning = bytearray()
    for part in _in_template_order(body):
        beginning += orjson.dumps(part)
        if len(beginning) >= BLOCK_BYTES * MAX_BLOCKS:
            break
    marks, running = [], 0
    for end in range(BLOCK_BYTES, min(len(beginning), BLOCK_BYTES * MAX_BLOCKS) + 1, BLOCK_BYTES):
        running = zlib.crc32(beginning[end - BLOCK_BYTES : end], running)
        marks.append(chr(_FIRST + (running & _MASK)))
    return "".join(marks)


def _in_template_order(body: Mapping[str, Any]) -> Iterator[Any]:
    """What a prompt is made of. Chat templates write tools in front of the conversation, or into its first turn."""
    if "messages" not in body:
        yield body["prompt"]
        return
    if body.get("tools"):
        yield body["tools"]
    yield from body["messages"]
