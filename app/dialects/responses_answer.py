"""A chat answer as a Response object."""

import time
from typing import Any, Literal

from app.dialects.answer import Answer, Part, Tokens
from app.errors import RateLimited, SextantError
from app.wire.responses import ResponsesRequest

Status = Literal["in_progress", "completed", "incomplete", "failed"]
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def status_of(answer: Answer) -> Literal["completed", "incomplete"]:
    """How an answer ended, in the dialect's word."""
    return "incomplete" if answer.finish_reason in INCOMPLETE else "completed"


def response_object(
    request: ResponsesRequest, answer_id: str, answer: Answer, status: Status, error: SextantError | None = None
) -> dict[str, Any]:
    """The whole object. What the client asked is told back, as OpenAI does; unset values are null
    where the model's own default holds, which this stack does not know."""
    text = request.text.model_dump(by_alias=True, exclude_unset=True) if request.text else {}
    last = len(answer.parts) - 1
    return {
        "id": f"resp_{answer_id}",
        "object": "response",
        "created_at": answer.created,
        "conversation": _conversation(request),
        "completed_at": int(time.time()) if status == "completed" else None,
        "status": status,
        "background": False,
        "error": _error(error),
        "incomplete_details": {"reason": INCOMPLETE[answer.finish_reason or ""]} if status == "incomplete" else None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.max_tool_calls,
        "metadata": request.metadata or {},
        "model": answer.model,
        "output": [
            # Only the last part can have been cut off.
            output_item(
                answer_id, index, part, "incomplete" if status == "incomplete" and index == last else "completed"
            )
            for index, part in enumerate(answer.parts)
        ],
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": None,
        "prompt_cache_key": request.prompt_cache_key,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": request.safety_identifier,
        "service_tier": "default",
        "store": False,
        "temperature": request.temperature,
        "text": {"format": {"type": "text"}, **text},
        "tool_choice": request.model_dump(include={"tool_choice"})["tool_choice"] or "auto",
        "tools": [
            {"strict": None, "parameters": None, **tool.model_dump(exclude_unset=True)} for tool in request.tools or ()
        ],
        "top_logprobs": 0,
        "top_p": request.top_p,
        "truncation": "disabled",
        "usage": None if status in ("in_progress", "failed") else _usage(answer.tokens),
        "user": request.user,
        "sextant": answer.extension,
    }


def _conversation(request: ResponsesRequest) -> dict[str, str] | None:
    given = request.conversation
    return None if given is None else {"id": given if isinstance(given, str) else given.id}


def item_id(answer_id: str, index: int, part: Part) -> str:
    """The id of an output item; the same in each event and in the whole object."""
    return f"{'fc' if part.kind == 'call' else 'msg'}_{answer_id}_{index}"


def output_item(answer_id: str, index: int, part: Part, status: str, *, bare: bool = False) -> dict[str, Any]:
    """A part as an output item; `bare`: without content, as one that begins."""
    head = {"id": item_id(answer_id, index, part), "status": status}
    if part.kind == "call":
        call = {"call_id": part.call_id, "name": part.name, "arguments": part.text}
        return {**head, "type": "function_call", **call}
    return {**head, "type": "message", "role": "assistant", "content": [] if bare else [content_part(part)]}


def content_part(part: Part) -> dict[str, Any]:
    """What stands in a message item. Citations are in `sextant`: a document of ours is no file of OpenAI's."""
    if part.kind == "refusal":
        return {"type": "refusal", "refusal": part.text}
    return {"type": "output_text", "text": part.text, "annotations": [], "logprobs": []}


def _usage(tokens: Tokens) -> dict[str, Any]:
    return {
        "input_tokens": tokens.prompt,
        "input_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": tokens.written},
        "output_tokens": tokens.completion,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.prompt + tokens.completion,
    }


def _error(error: SextantError | None) -> dict[str, Any] | None:
    """OpenAI lists the codes that may stand here; ours is in the `error` event that follows."""
    if error is None:
        return None
    code = "rate_limit_exceeded" if isinstance(error, RateLimited) else "server_error"
    return {"code": code, "message": error.message}
