"""What LiteLLM's semantic cache talks to: `python -m benchmarks.cache.litellm_stores PORT MODEL_DIRECTORY`.

Its semantic caches need RediSearch, valkey-search or a Qdrant server, none of which is a Python package. This answers
the calls that its `qdrant-semantic` cache makes of a Qdrant server, by an exact search over vectors in memory, and
OpenAI's embeddings with Sextant's model: LiteLLM's code and decision are its own, its store is faster than a real one
and, unlike the binary quantisation that LiteLLM asks for, loses nothing.
"""

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from numpy.typing import NDArray

from app.retrieval.embedder import Embedder

_FIRST_ROWS = 1024


class Points:
    """Unit vectors and payloads: one collection."""

    def __init__(self, dimensions: int) -> None:
        self._rows: NDArray[np.float32] = np.zeros((_FIRST_ROWS, dimensions), dtype=np.float32)
        self._payloads: list[dict[str, Any]] = []

    def put(self, vector: list[float], payload: dict[str, Any]) -> None:
        """Add a point."""
        if len(self._payloads) == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[len(self._payloads)] = vector
        self._payloads.append(payload)

    def nearest(self, vector: list[float], key: str, value: str) -> list[dict[str, Any]]:
        """The nearest of the points whose payload has this value, in Qdrant's form; empty when there is none."""
        scores = self._rows[: len(self._payloads)] @ np.asarray(vector, dtype=np.float32)
        for index in np.argsort(-scores):
            if self._payloads[index].get(key) == value:
                return [{"id": int(index), "score": float(scores[index]), "payload": self._payloads[index]}]
        return []


def build_api(embedder: Embedder) -> FastAPI:
    """The two servers in one."""
    api, collections = FastAPI(), defaultdict[str, Points](lambda: Points(embedder.dimensions))

    @api.get("/collections/{name}/exists")
    async def exists(name: str) -> dict[str, Any]:
        return {"result": {"exists": True}}

    @api.get("/collections/{name}")
    async def collection(name: str) -> dict[str, Any]:
        return {"result": {"status": "green"}}

    @api.put("/collections/{name}/index")
    async def index(name: str) -> dict[str, Any]:
        return {"result": True}

    @api.put("/collections/{name}/points")
    async def put(name: str, body: dict[str, Any]) -> dict[str, Any]:
        for point in body["points"]:
            collections[name].put(point["vector"], point["payload"])
        return {"result": {"status": "completed"}}

    @api.post("/collections/{name}/points/search")
    async def search(name: str, body: dict[str, Any]) -> dict[str, Any]:
        (condition,) = body["filter"]["must"]
        return {"result": collections[name].nearest(body["vector"], condition["key"], condition["match"]["value"])}

    @api.post("/v1/embeddings")
    async def embed(body: dict[str, Any]) -> dict[str, Any]:
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        vectors = embedder.embed(texts).tolist()
        data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return {"object": "list", "model": body["model"], "data": data, "usage": usage}

    return api


if __name__ == "__main__":
    uvicorn.run(
        build_api(Embedder(Path(sys.argv[2]))),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
    )
