"""Reads server-sent events out of the bytes of a stream, whatever pieces these come in.

After the HTML standard, section 9.2.6 "Interpreting an event stream": lines end in LF, CRLF or CR;
comments are skipped; `data` lines of one event are joined; an event that is not ended by an empty
line is dropped. Works on bytes, so that a character cut in two is no matter.
"""

from dataclasses import dataclass

from app.errors import UpstreamFailed

MAX_EVENT_BYTES = 4 * 1024 * 1024  # a line, or all data lines of one event
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event."""

    name: bytes  # empty where the stream gives none
    data: bytes


class SseReader:
    """Takes bytes, gives events. Raises UpstreamFailed when one grows past `MAX_EVENT_BYTES`."""

    def __init__(self) -> None:
        self._rest = b""  # the line that has begun
        self._name = b""
        self._data: list[bytes] = []
        self._size = 0
        self._skips_lf = False  # the last piece ended in CR: an LF now belongs to it
        self._is_first = True

    def feed(self, piece: bytes) -> list[Event]:
        """The events that the piece completes."""
        if self._skips_lf and piece:
            piece = piece.removeprefix(b"\n")
            self._skips_lf = False
        if not piece:
            return []
        lines = (self._rest + piece).splitlines(keepends=True)
        self._rest = b"" if lines[-1].endswith((b"\n", b"\r")) else lines.pop()
        self._skips_lf = not self._rest and lines[-1].endswith(b"\r")
        if len(self._rest) > MAX_EVENT_BYTES:
            raise _too_big()
        return [event for line in lines if (event := self._line(line.rstrip(b"\r\n"))) is not None]

    def _line(self, line: bytes) -> Event | None:
        if self._is_first:
            line = line.removeprefix(_BOM)
            self._is_first = False
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._size += len(value)
            if self._size > MAX_EVENT_BYTES:
                raise _too_big()
            self._data.append(value)
        elif field == b"event":
            self._name = value
        return None

    def _dispatch(self) -> Event | None:
        name, data = self._name, self._data
        self._name, self._data, self._size = b"", [], 0
        return Event(name, b"\n".join(data)) if data else None


def _too_big() -> UpstreamFailed:
    return UpstreamFailed(f"The model sent an event of more than {MAX_EVENT_BYTES:,} bytes.")
