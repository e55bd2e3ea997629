"""A file that is there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives the path to write to; when the block ends, that file takes the place of `path` by one rename.

    An error or a kill leaves what was there. The folder must be there. Raises OSError.
    """
    # With the suffix of `path`: numpy appends its own to a name that lacks it, and writes another file then.
    part = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
