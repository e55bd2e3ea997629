"""Vectors of texts that were embedded before, on disk: the second run of a measurement takes seconds.

A cache and nothing more: it may be deleted at any time.
"""

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from app.retrieval.types import Vector

# Raise it when `Embedder.embed` gives another vector for the same text.
_REVISION = b"alone"
_STEP = 64  # texts between two signs of life: about a second on two cores


class TextEmbedder(Protocol):
    """What is needed of `app.retrieval.embedder.Embedder`."""

    def embed(self, texts: Sequence[str]) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
        """float32, shape (len(texts), dimensions)."""
        ...


class VectorCache:
    """Vectors by a hash of model and text. For one process at a time."""

    def __init__(self, path: Path, model: str) -> None:
        """`model` tells one embedding model from another."""
        self._model = _REVISION + model.encode()
        self._database = sqlite3.connect(path)
        self._database.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)")

    @classmethod
    def open(cls, model_file: Path) -> Self:
        """In a temporary folder of this user's own, for the model in a file."""
        folder = Path(tempfile.gettempdir()) / f"sextant-evals-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid():  # somebody else made it; what is in it is theirs
            folder = Path(tempfile.mkdtemp(prefix="sextant-evals-"))
        return cls(folder / "vectors.sqlite", hashlib.sha256(model_file.read_bytes()).hexdigest())

    def embed(
        self, texts: Sequence[str], embedder: TextEmbedder, on_progress: Callable[[int], object] = lambda _: None
    ) -> list[Vector]:
        """One vector a text, in order. `on_progress` is told how many texts are done."""
        keys = [hashlib.blake2b(self._model + b"\0" + text.encode(errors="replace")).digest() for text in texts]
        known = {key: vector for key in set(keys) if (vector := self._read(key)) is not None}
        wanted = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        order = list(wanted)
        done = len(texts) - len(order)
        on_progress(done)
        for begin in range(0, len(order), _STEP):
            some = order[begin : begin + _STEP]
            vectors = embedder.embed([wanted[key] for key in some])
            self._write(list(zip(some, vectors, strict=True)))
            known |= dict(zip(some, vectors, strict=True))
            done += len(some)
            on_progress(done)
        return [known[key] for key in keys]

    def close(self) -> None:
        """Release the file."""
        self._database.close()

    def _read(self, key: bytes) -> Vector | None:
        row = self._database.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        return None if row is None else np.frombuffer(row[0], dtype=np.float32)

    def _write(self, rows: Sequence[tuple[bytes, Vector]]) -> None:
        with self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?)",
                [(key, np.asarray(vector, dtype=np.float32).tobytes()) for key, vector in rows],
            )
