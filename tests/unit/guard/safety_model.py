"""A safety model that answers what a test says, and the rail over it."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

from app.config import StackConfig
from app.config.policy import SafetyModelSettings
from app.guard.safety import SafetyModelRail, build
from app.guard.types import Context, GuardPlace, Hit
from app.pipeline.ports import Task
from app.routing.catalogue import Catalogue

Reply = str | Exception | dict[str, Any]


class FakeModel:
    """A ModelPort. `reply` says from a request's text what it answers; `most` requests were under way at once."""

    def __init__(self, reply: Callable[[str], Reply] = lambda text: "safe") -> None:
        self._reply = reply
        self.bodies: list[dict[str, Any]] = []
        self.tasks: list[Task] = []
        self.request_ids: list[str] = []
        self.most = self._now = self.ended = 0

    async def complete(self, task: Task, body: dict[str, Any], request_id: str) -> dict[str, Any]:
        self.bodies.append(body)
        self.tasks.append(task)
        self.request_ids.append(request_id)
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            for _ in range(3):
                await asyncio.sleep(0)
        finally:
            self._now -= 1
        said = self._reply(body["prompt"] if task == "completions" else body["messages"][-1]["content"])
        self.ended += 1
        if isinstance(said, Exception):
            raise said
        if isinstance(said, dict):
            return {"choices": [said]}
        if task == "chat":
            return {"choices": [{"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}]}
        return {"choices": [{"text": said, "finish_reason": "stop"}]}

    def stream(self, task: Task, body: dict[str, Any], request_id: str) -> AsyncIterator[dict[str, Any]]:
        raise AssertionError("not asked for")

    async def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError("not asked for")

    async def ping(self) -> bool:
        return True


STACK = StackConfig.model_validate(
    {
        "models": [
            {"id": "guard", "source": "models/guard", "engine": {"max_model_len": 8192}},
            {"id": "tiny", "source": "models/guard", "engine": {"max_model_len": 1024}},
        ],
        "providers": {"there": {"base_url": "http://127.0.0.1:1/v1"}},
        "hosted": [
            {
                "id": "far",
                "provider": "there",
                "model": "meta/guard",
                "context_window": 8192,
                "max_output_tokens": 512,
                "price": {"input_usd_per_million": 1, "output_usd_per_million": 1},
            }
        ],
    }
)


def rail(model: FakeModel, place: GuardPlace = "input", name: str = "guard", **settings: Any) -> SafetyModelRail:
    built = build(
        SafetyModelSettings(model=name, **settings), place, {name: model}, Catalogue(STACK), {name: "revision"}
    )
    assert isinstance(built, SafetyModelRail)
    return built


def examine(built: SafetyModelRail, *texts: str, question: str = "") -> list[list[Hit]]:
    async def run() -> list[list[Hit]]:
        async with asyncio.timeout(5):
            return await built.examine(texts, Context(question=question))

    return asyncio.run(run())


def said(text: str, *steps: tuple[str, dict[str, float]], finish: str = "stop") -> dict[str, Any]:
    """A text completion with, for each token, probabilities of the likeliest."""
    return {
        "text": text,
        "finish_reason": finish,
        "logprobs": {
            "tokens": [token for token, _ in steps],
            "token_logprobs": [math.log(top[token]) for token, top in steps],
            "top_logprobs": [{each: math.log(p) for each, p in top.items()} for _, top in steps],
        },
    }
