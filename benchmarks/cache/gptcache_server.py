"""GPTCache behind the least FastAPI application, in the peers' environment.

    .bench-venv/bin/python benchmarks/cache/gptcache_server.py PORT PROVIDER_URL DIRECTORY [MODEL THRESHOLD [TOP_K]]

MODEL is a directory. Without it this is GPTCache's exact cache (its default: a map in memory), with it the similarity
cache as GPTCache's documentation sets it up: SQLite and faiss, the distance of the vectors as the evaluation. Its own
embedding models are on a hub; this is all-MiniLM-L6-v2 as Sextant has it. Its adapter for OpenAI needs `openai<1`, so
this calls what is below that adapter.

For each entry that it looks at GPTCache writes the time of that to SQLite, and a row for each hit: a commit each, which
on a disk is most of what it takes. It looks at 5 entries where a request sets a temperature, as these do, and TOP_K (1)
says otherwise; on a directory in memory a commit costs nothing.
`x-cache` says whether an answer was GPTCache's.
"""

import sys
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime  # type: ignore[import-untyped,unused-ignore]
import uvicorn
from fastapi import FastAPI, Request, Response
from gptcache import Cache, Config  # type: ignore[import-not-found,unused-ignore]
from gptcache.adapter.adapter import aadapt  # type: ignore[import-not-found,unused-ignore]
from gptcache.manager import (  # type: ignore[import-not-found,unused-ignore]
    CacheBase,
    VectorBase,
    get_data_manager,
)
from gptcache.processor.pre import last_content  # type: ignore[import-not-found,unused-ignore]
from gptcache.similarity_evaluation.distance import (  # type: ignore[import-not-found,unused-ignore]
    SearchDistanceEvaluation,
)
from tokenizers import Tokenizer

DIMENSIONS = 384
MAX_TOKENS = 256


class Embedding:
    """Mean-pooled MiniLM, unit length; one thread, as Sextant's."""

    def __init__(self, directory: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(directory / "model.onnx"), options)
        self._inputs = {each.name for each in self._session.get_inputs()}

    def __call__(self, text: str, **_: object) -> Any:
        """A vector of `DIMENSIONS` float32."""
        encoding = self._tokenizer.encode(text)
        rows = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        feed = {name: np.asarray([row], dtype=np.int64) for name, row in rows.items() if name in self._inputs}
        mean = self._session.run(None, feed)[0][0].mean(axis=0)
        return (mean / np.linalg.norm(mean)).astype(np.float32)


def build_cache(directory: Path, model: Path | None, threshold: float) -> Any:
    """The exact cache; or, with a model, the similarity cache."""
    cache = Cache()
    if model is None:
        manager = get_data_manager(data_path=str(directory / "map.txt"))
        cache.init(pre_embedding_func=last_content, data_manager=manager, config=Config(disable_report=True))
        return cache
    sqlite = CacheBase("sqlite", sql_url=f"sqlite:///{directory}/gptcache.db")
    faiss = VectorBase("faiss", dimension=DIMENSIONS, index_path=str(directory / "faiss.index"))
    cache.init(
        pre_embedding_func=last_content,
        embedding_func=Embedding(model),
        data_manager=get_data_manager(sqlite, faiss),
        similarity_evaluation=SearchDistanceEvaluation(),
        config=Config(similarity_threshold=threshold, disable_report=True),
    )
    return cache


def build_api(cache: Any, provider_url: str, top_k: int | None) -> FastAPI:
    """Chat completions from the cache, or else from the provider."""
    api, client = FastAPI(), httpx.AsyncClient(timeout=30)
    is_asked: ContextVar[bool] = ContextVar("is_asked")

    async def ask(**body: Any) -> str:
        is_asked.set(True)
        response = await client.post(f"{provider_url}/v1/chat/completions", json=body)
        response.raise_for_status()
        return response.text

    def store(answer: str, update: Any, *_: object, **__: object) -> str:
        update(answer)
        return answer

    @api.post("/v1/chat/completions")
    async def answer(request: Request) -> Response:
        is_asked.set(False)
        # GPTCache is synchronous but for the call of the model: in a thread it would only take longer here.
        wish = {} if top_k is None else {"top_k": top_k}
        text = await aadapt(ask, str, store, cache_obj=cache, **wish, **await request.json())
        return Response(text, media_type="application/json", headers={"x-cache": "miss" if is_asked.get() else "hit"})

    @api.get("/health")
    async def health() -> str:
        return "up"

    return api


if __name__ == "__main__":
    port, provider, place, *similarity = sys.argv[1:]
    chosen = build_cache(
        Path(place), Path(similarity[0]) if similarity else None, float(similarity[1]) if similarity else 0.8
    )
    candidates = int(similarity[2]) if len(similarity) > 2 else None
    uvicorn.run(
        build_api(chosen, provider, candidates), host="127.0.0.1", port=int(port), log_level="warning", access_log=False
    )
