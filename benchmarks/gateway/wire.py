"""The little of HTTP/1.1 that the provider and the load generator share."""

HEAD_END = b"\r\n\r\n"


def header(head: bytes, name: bytes) -> bytes | None:
    """A header's value. `head` and `name` are in lower case; a header that comes twice gives the first."""
    start = head.find(b"\r\n" + name + b":")
    if start < 0:
        return None
    start += len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)].strip()


class ChunkedBody:
    """Decodes a body in chunked transfer coding (RFC 9112, section 7.1) as it arrives."""

    def __init__(self) -> None:
        self.ended = False
        self._left = 0  # bytes of the present chunk that have not come yet, its line end included

    def take(self, buffer: bytearray) -> bytes:
        """Remove from `buffer` what can be decoded, and return the content in it. Raises ValueError."""
        content = bytearray()
        while not self.ended:
            if self._left:
                part = min(self._left, len(buffer))
                content += buffer[: max(0, min(part, self._left - 2))]
                del buffer[:part]
                self._left -= part
                if self._left:
                    break
            line_end = buffer.find(b"\r\n")
            if line_end < 0:
                break
            size = int(buffer[:line_end].split(b";")[0], 16)
            if size == 0:
                trailer_end = buffer.find(HEAD_END, line_end)
                if trailer_end < 0:
                    break
                del buffer[: trailer_end + len(HEAD_END)]
                self.ended = True
            else:
                del buffer[: line_end + 2]
                self._left = size + 2
        return bytes(content)
