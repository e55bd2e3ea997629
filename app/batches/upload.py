"""Reading `multipart/form-data` with one file in it, which goes to the store as it arrives.

The framework's own parser would bound neither the file nor the place where it puts it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.batches.files import Write
from app.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FIELD_BYTES = 256
MAX_NAME = 256
FORM_BYTES = 16_384  # boundaries, headers and fields beside the file
BUFFER_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class Upload:
    """What has arrived. `name` is the client's: shown, never used as a path."""

    name: str
    purpose: str
    bytes: int


async def receive_upload(content_type: str, body: AsyncIterator[bytes], write: Write, max_bytes: int) -> Upload:
    """Pass the part `file` to `write`. Raises UnsupportedMediaType, InvalidRequest, PayloadTooLarge."""
    media_type, options = parse_options_header(content_type)
    if media_type != b"multipart/form-data" or not options.get(b"boundary"):
        raise UnsupportedMediaType("A file is uploaded as multipart/form-data.")
    form = _Form()
    received = 0
    try:
        parser = MultipartParser(options[b"boundary"], form.callbacks())
        async for piece in body:
            received += len(piece)
            if received > max_bytes + FORM_BYTES:
                raise PayloadTooLarge(f"The file is larger than {max_bytes:,} bytes.")
            parser.write(piece)
            if len(form.unwritten) >= BUFFER_BYTES:
                await write(form.take())
    except FormParserError:
        raise InvalidRequest("The body is not valid multipart/form-data.") from None
    if form.file_bytes > max_bytes:
        raise PayloadTooLarge(f"The file is larger than {max_bytes:,} bytes.")
    if form.unwritten:
        await write(form.take())
    return form.upload()


class _Form:
    """Collects what the parser finds. Two parts are known, and each may be there once."""

    def __init__(self) -> None:
        self.unwritten = bytearray()
        self.file_bytes = 0
        self._file_name: str | None = None
        self._purpose: bytearray | None = None
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = ""
        self._in_file = False
        self._ended = False

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def take(self) -> bytes:
        """What is to be written next."""
        data = bytes(self.unwritten)
        self.unwritten.clear()
        return data

    def upload(self) -> Upload:
        """Everything, when the body is at its end. Raises InvalidRequest."""
        if not self._ended:
            raise InvalidRequest("The body ends in the middle of the form.")
        if self._file_name is None:
            raise InvalidRequest("Missing required parameter: 'file'.", param="file")
        if self._purpose is None:
            raise InvalidRequest("Missing required parameter: 'purpose'.", param="purpose")
        return Upload(self._file_name, self._purpose.decode("utf-8", "replace"), self.file_bytes)

    def _begin(self) -> None:
        self._disposition = ""

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value.decode("latin-1")
        self._header.clear()
        self._value.clear()

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        self._in_file = name == "file"
        if name not in {"file", "purpose"}:
            raise InvalidRequest(f"Unknown parameter: '{name[:100]}'.", param=name[:100] or None)
        if (self._file_name if self._in_file else self._purpose) is not None:
            raise InvalidRequest(f"The form has two parts {name!r}.", param=name)
        if not self._in_file:
            self._purpose = bytearray()
        elif b"filename" not in options:
            raise InvalidRequest("'file' must be a file, with a filename.", param="file")
        else:
            self._file_name = _printable(options[b"filename"].decode("utf-8", "replace"))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self.unwritten += data[start:end]
            self.file_bytes += end - start
            return
        assert self._purpose is not None
        self._purpose += data[start:end]
        if len(self._purpose) > MAX_FIELD_BYTES:
            raise InvalidRequest("'purpose' is too long.", param="purpose")

    def _end(self) -> None:
        self._ended = True


def _printable(name: str) -> str:
    return "".join(character for character in name if character.isprintable())[:MAX_NAME]
