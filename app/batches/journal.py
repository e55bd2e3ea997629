"""The results of a batch so far: two files that only grow, and that a killed job finds again.

A line reaches the operating system before the next request is made, so a kill loses nothing that was
written; it is on the disk after the next `sync`, at most a second later. What a kill or a power failure
leaves behind the last whole line is cut off when the files are opened again, and those requests are
made anew: around a kill a request may be executed twice, but it has one line.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from app.batches.answer import EXPIRED, Answer, answered, expired
from app.batches.files import sync_directory
from app.batches.lines import Line


class Journal:
    """The output and the error file of a running batch. Counts are of their lines."""

    def __init__(self, batch_id: str, output: Path, error: Path) -> None:
        self._batch_id = batch_id
        self._done: set[str] = set()
        self.expired = False
        self._output = _Results(output)
        self._error = _Results(error)
        for results in (self._output, self._error):
            self._recover(results)
        sync_directory(output.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._output.close()
        self._error.close()

    def __contains__(self, line: Line) -> bool:
        return line.custom_id in self._done

    @property
    def completed(self) -> int:
        return self._output.count

    @property
    def failed(self) -> int:
        return self._error.count

    def add(self, line: Line, answer: Answer) -> None:
        """Write down an answer. Raises OSError, on a full disk for one."""
        results = self._output if answer.ok else self._error
        results.append(answered(self._batch_id, line, answer))
        self._done.add(line.custom_id)

    def expire(self, line: Line) -> None:
        """Write down that a request was not made in time."""
        self._error.append(expired(self._batch_id, line))
        self._done.add(line.custom_id)
        self.expired = True

    def sync(self) -> None:
        """Make everything so far durable. Blocks; may run in a thread beside `add`."""
        self._output.sync()
        self._error.sync()

    def _recover(self, results: "_Results") -> None:
        for content in results.recover():
            self._done.add(content["custom_id"])
            self.expired |= (content["error"] or {}).get("code") == EXPIRED


class _Results:
    """One file of results."""

    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        self.count = 0

    def recover(self) -> Iterator[dict[str, Any]]:
        """The content of each whole line; what follows the last one is cut off."""
        end = 0
        for raw in self._file:
            try:
                content = orjson.loads(raw) if raw.endswith(b"\n") else None
            except orjson.JSONDecodeError:  # a power failure may leave a block of zeros
                content = None
            if content is None:
                break
            end += len(raw)
            self.count += 1
            yield content
        self._file.seek(end)
        self._file.truncate()

    def append(self, line: bytes) -> None:
        self._file.write(line)
        self._file.flush()
        self.count += 1

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
