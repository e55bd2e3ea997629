"""The input file: one request a line, read a line at a time however large the file is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from app.batches.types import Endpoint, Problem

MAX_CUSTOM_ID = 512
# As many as somebody can use; a file with another format would give one a line.
MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Line:
    """A request. `number` counts from 1, empty lines included."""

    number: int
    custom_id: str
    url: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is in an input file. Without problems it can be run."""

    total: int
    problems: tuple[Problem, ...]


def inspect(path: Path, endpoint: Endpoint, *, max_requests: int, max_line_bytes: int) -> Inspection:
    """Read a whole file. Holds the ids of its lines in memory, nothing else. Raises FileNotFoundError."""
    problems: list[Problem] = []
    seen: set[str] = set()
    total = 0
    for number, raw in _raw_lines(path, max_line_bytes):
        total += 1
        if total > max_requests:
            problems.append(Problem("too_many_tasks", f"A batch may have {max_requests:,} requests.", number))
            break
        found = _problem(raw, number, endpoint, max_line_bytes)
        if isinstance(found, str):
            if found not in seen:
                seen.add(found)
                continue
            found = Problem("duplicate_custom_id", "An earlier line has the same custom_id.", number, "custom_id")
        problems.append(found)
        if len(problems) == MAX_PROBLEMS:
            break
    if total == 0:
        problems.append(Problem("empty_file", "The input file is empty."))
    return Inspection(total, tuple(problems))


def read_lines(path: Path, max_line_bytes: int) -> Iterator[Line]:
    """The requests of a file that has been inspected."""
    for number, raw in _raw_lines(path, max_line_bytes):
        content = orjson.loads(raw)
        yield Line(number, content["custom_id"], content["url"], content["body"])


def _raw_lines(path: Path, max_line_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank. A longer one comes cut off, one byte too long."""
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(max_line_bytes + 1):
            number += 1
            rest = raw
            while len(rest) > max_line_bytes and not rest.endswith(b"\n"):
                rest = file.readline(max_line_bytes + 1)
            if number == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")  # editors on Windows put a byte-order mark there
            if raw.strip():
                yield number, raw


def _problem(raw: bytes, number: int, endpoint: Endpoint, max_line_bytes: int) -> Problem | str:
    """What is wrong with a line, or its custom_id."""
    if len(raw.rstrip(b"\r\n")) > max_line_bytes:
        return Problem("invalid_request", f"The line is longer than {max_line_bytes:,} bytes.", number)
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        return Problem("invalid_json_line", "This line is not a JSON object.", number)
    for name in ("custom_id", "method", "url", "body"):
        if content.get(name) is None:
            return Problem("missing_required_parameter", f"Missing required parameter: '{name}'.", number, name)
    custom_id, body = content["custom_id"], content["body"]
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= MAX_CUSTOM_ID:
        expected = f"custom_id must be a text of 1 to {MAX_CUSTOM_ID} characters."
        return Problem("invalid_custom_id", expected, number, "custom_id")
    if content["method"] != "POST":
        return Problem("invalid_method", "method must be POST.", number, "method")
    if content["url"] != endpoint:
        return Problem("url_mismatch", f"url must be the batch's endpoint, {endpoint}.", number, "url")
    if not isinstance(body, dict):
        return Problem("invalid_request", "body must be a JSON object.", number, "body")
    if body.get("stream"):
        return Problem("invalid_request", "A batch cannot stream.", number, "body.stream")
    return custom_id
