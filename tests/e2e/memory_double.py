"""A hosted model of 2,048 tokens that says whether a fact is in its prompt, and refuses prompts that do not fit."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

CONTEXT = 2048
CODE = re.compile(r"\d{4}-[A-Z]+")
ASKED = "What is my locker code?"


def tokens_of(body: dict[str, Any]) -> int:
    """Four characters to a token, four tokens to a message."""
    return sum(len(message.get("content") or "") // 4 + 4 for message in body["messages"])


def answer_to(body: dict[str, Any]) -> str:
    """Of the locker's code: what stands in the prompt. A summary: sentences with a number in them; of the model
    `forgetful`, nothing."""
    texts = [message.get("content") or "" for message in body["messages"]]
    if texts[0].startswith("Summarise a conversation"):
        if body["model"] == "forgetful":
            return "They talked about this and that."
        kept = dict.fromkeys(re.findall(r"[^.:]*\d{3,}[^.]*\.", texts[-1]))
        return " ".join(sentence.strip() for sentence in kept) or "They talked."
    if ASKED not in texts[-1]:
        return "All right."
    found = CODE.search("\n".join(texts[:-1]))
    return f"It is {found[0]}." if found else "I do not know."


def create_double(seen: list[dict[str, Any]]) -> FastAPI:
    """`seen`: every body, as it comes in."""
    api = FastAPI()

    @api.post("/v1/chat/completions")
    async def complete(request: Request) -> Response:
        body = await request.json()
        seen.append(body)
        prompt, wanted = tokens_of(body), body.get("max_tokens") or body.get("max_completion_tokens") or 0
        if prompt + wanted > CONTEXT:
            message = f"This model's maximum context length is {CONTEXT} tokens; you asked for {prompt + wanted}."
            error = {"message": message, "type": "invalid_request_error", "code": "context_length_exceeded"}
            return JSONResponse({"error": error}, 400)
        text = answer_to(body)
        usage = {"prompt_tokens": prompt, "completion_tokens": 4, "total_tokens": prompt + 4}
        head = {"id": "chatcmpl-double", "created": int(time.time()), "model": body["model"]}
        if body.get("stream"):
            return StreamingResponse(_events(head, text, usage), media_type="text/event-stream")
        said = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": said, "finish_reason": "stop"}
        return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": usage})

    return api


def _events(head: dict[str, Any], text: str, usage: dict[str, Any]) -> Iterator[str]:
    head = {**head, "object": "chat.completion.chunk"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in re.findall(r"\S+\s*", text)]
    for delta in deltas:
        yield _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield _event({**head, "choices": [], "usage": usage})
    yield "data: [DONE]\n\n"


def _event(payload: dict[str, Any]) -> str:
    return f"data: {json.dumps(payload)}\n\n"
