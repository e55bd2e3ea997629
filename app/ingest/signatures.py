"""Signatures of documents that were seen before, so that a later run compares them without reading them again."""

import json
import sqlite3
import time
from pathlib import Path
from typing import Protocol

from app.ingest.signature import Signature

_FORMAT = 2  # raise it with any change of what a signature is
_FORGOTTEN_AFTER_S = 90 * 86_400
_TABLE = (
    "CREATE TABLE IF NOT EXISTS signatures (format INTEGER, content_hash TEXT, groups TEXT, exact BLOB, facts BLOB, "
    "minima BLOB, used_at REAL, PRIMARY KEY (format, content_hash)) WITHOUT ROWID"
)

Remembered = tuple[tuple[str, ...], Signature]
"""A document's groups and its signature."""


class SignatureMemory(Protocol):
    """By content hash, which depends on all that a signature and the groups depend on."""

    def recall(self, content_hash: str) -> Remembered | None: ...

    def keep(self, content_hash: str, groups: tuple[str, ...], signature: Signature) -> None: ...


class NoMemory:
    """Remembers nothing: documents are read again."""

    def recall(self, content_hash: str) -> Remembered | None:
        """Nothing."""
        return None

    def keep(self, content_hash: str, groups: tuple[str, ...], signature: Signature) -> None:
        """Nothing."""


class SignatureFile:
    """In a file, which may be deleted at any time: it only saves work. Errors of it are ignored for the same reason."""

    def __init__(self, path: Path) -> None:
        self._kept: list[tuple[object, ...]] = []
        self._recalled: list[tuple[object, ...]] = []
        self._connection: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=1)
            self._connection.execute(_TABLE)
        except (OSError, sqlite3.Error):
            self._connection = None

    def recall(self, content_hash: str) -> Remembered | None:
        """See `SignatureMemory`."""
        if self._connection is None:
            return None
        query = "SELECT groups, exact, facts, minima FROM signatures WHERE format = ? AND content_hash = ?"
        try:
            row = self._connection.execute(query, (_FORMAT, content_hash)).fetchone()
        except sqlite3.Error:
            return None
        if row is None:
            return None
        self._recalled.append((time.time(), _FORMAT, content_hash))
        return tuple(json.loads(row[0])), Signature(*row[1:])

    def keep(self, content_hash: str, groups: tuple[str, ...], signature: Signature) -> None:
        """See `SignatureMemory`. It is written by `close`."""
        parts = (signature.exact, signature.facts, signature.minima)
        self._kept.append((_FORMAT, content_hash, json.dumps(groups), *parts, time.time()))

    def close(self) -> None:
        """Write what is new, and forget what no run has asked for in months."""
        if self._connection is None:
            return
        try:
            with self._connection as connection:
                connection.executemany("INSERT OR REPLACE INTO signatures VALUES (?, ?, ?, ?, ?, ?, ?)", self._kept)
                connection.executemany(
                    "UPDATE signatures SET used_at = ? WHERE format = ? AND content_hash = ?", self._recalled
                )
                connection.execute("DELETE FROM signatures WHERE used_at < ?", (time.time() - _FORGOTTEN_AFTER_S,))
        except sqlite3.Error:
            return
        finally:
            self._connection.close()
