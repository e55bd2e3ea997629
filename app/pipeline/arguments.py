"""The words in JSON source, such as a tool call's arguments: read one by one, replaced without breaking the JSON.

Providers get the source as it stands, so everything in it is read: both values of a name that comes twice, and what
Python writes though JSON does not know it (NaN, lone surrogates). What is no JSON, or nested too deep, is one text,
read without the escapes that would hide what it says.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 32
# As a function's author names its parameters: to take "jordan" or "april" for a person there would break the call. More
# digits than these are an IBAN, or a key.
_IDENTIFIER = re.compile(r"[A-Za-z_.-]{1,48}[0-9]{0,3}")
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}(?:\\u[0-9a-fA-F]{4})*|.)", re.DOTALL)


class _Members(list[Any]):
    """A JSON object: a list of [name, value], also where names repeat."""


class _Number(str):
    """A number as it is spelled."""

    __slots__ = ()


class _Constant(str):
    """NaN or an infinity: nobody's data."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A place in a list that holds a text, or a number."""

    holder: list[Any]
    index: int

    @property
    def text(self) -> str:
        return str(self.holder[self.index])


class Source:
    """JSON source, or what should be."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._is_json = True
        try:
            self._root = [_parsed(source)]
            self._leaves = list(_leaves(self._root, 0, 0))
        except (ValueError, RecursionError):
            self._is_json = False
            self._root = [_ESCAPE.sub(_legible, source)]
            self._leaves = [_Leaf(self._root, 0)]

    @property
    def texts(self) -> list[str]:
        """Its strings, its numbers, and names of fields that are no identifiers, in reading order."""
        return [leaf.text for leaf in self._leaves]

    def with_texts(self, texts: Sequence[str]) -> str:
        """The source with these in their places; masked numbers become strings. Unchanged, it keeps its spelling."""
        changed = [(leaf, text) for leaf, text in zip(self._leaves, texts, strict=True) if leaf.text != text]
        if not changed:
            return self._source
        for leaf, text in changed:
            leaf.holder[leaf.index] = text
        return _written(self._root[0]) if self._is_json else str(self._root[0])


def _parsed(source: str) -> Any:
    return json.loads(
        source,
        object_pairs_hook=lambda pairs: _Members([name, value] for name, value in pairs),
        parse_int=_Number,
        parse_float=_Number,
        parse_constant=_Constant,
    )


def _leaves(holder: list[Any], index: int, depth: int) -> Iterator[_Leaf]:
    """Of what stands there, depth first. Raises RecursionError for what is nested too deep."""
    value = holder[index]
    if isinstance(value, list) and depth >= MAX_DEPTH:
        raise RecursionError
    if isinstance(value, _Members):
        for member in value:
            if not _IDENTIFIER.fullmatch(member[0]):
                yield _Leaf(member, 0)
            yield from _leaves(member, 1, depth + 1)
    elif isinstance(value, list):
        for at in range(len(value)):
            yield from _leaves(value, at, depth + 1)
    elif isinstance(value, str) and not isinstance(value, _Constant):
        yield _Leaf(holder, index)


def _written(value: Any) -> str:
    if isinstance(value, _Members):
        return f"{{{','.join(f'{_written(name)}:{_written(inner)}' for name, inner in value)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, _Number | _Constant):
        return str(value)
    return quoted(value)


def quoted(value: Any) -> str:
    """A text as JSON source, escaped where it must be."""
    written = json.dumps(value, ensure_ascii=False)
    return written if _is_unicode(written) else json.dumps(value)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates
        return False
    return True


def _legible(escape: re.Match[str]) -> str:
    """Escapes become what they stand for, where it needs none."""
    if escape[0] == r"\/":
        return "/"
    if not escape[0].startswith(r"\u"):
        return escape[0]
    return "".join(
        character if character.isprintable() and character not in '"\\' else json.dumps(character)[1:-1]
        for character in json.loads(f'"{escape[0]}"')
    )
