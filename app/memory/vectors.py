"""Vectors in SQL, as bytes, and the nearest of some hundreds of them: all are compared."""

from collections.abc import Sequence

import numpy as np

from app.retrieval.types import Vector


def to_bytes(vector: Vector) -> bytes:
    """float32, little-endian."""
    return np.asarray(vector, "<f4").tobytes()


def similarities(vector: Vector, others: Sequence[bytes]) -> list[float]:
    """Cosine similarities with unit vectors; -1 where one is of another embedding model's size."""
    size = vector.shape[0] * 4
    fitting = [index for index, other in enumerate(others) if len(other) == size]
    found = [-1.0] * len(others)
    if fitting:
        matrix = np.frombuffer(b"".join(others[index] for index in fitting), "<f4").reshape(len(fitting), -1)
        for index, cosine in zip(fitting, (matrix @ vector).tolist(), strict=True):
            found[index] = cosine
    return found


def nearest(vector: Vector, others: Sequence[bytes], limit: int, threshold: float) -> list[int]:
    """Indexes of the nearest ones, best first."""
    cosines = similarities(vector, others)
    order = sorted(range(len(others)), key=lambda index: -cosines[index])
    return [index for index in order[:limit] if cosines[index] >= threshold]
