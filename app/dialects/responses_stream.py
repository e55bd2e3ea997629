"""A streamed chat answer as the events of the Responses API."""

from collections.abc import Iterator
from typing import Any

from app.dialects.answer import Part
from app.dialects.encoder import named_event
from app.dialects.reader import AnswerReader, Closed, Grown, Opened, Step
from app.dialects.responses_answer import Status, content_part, item_id, output_item, response_object, status_of
from app.errors import SextantError
from app.wire.responses import ResponsesRequest

Payload = dict[str, Any]


class ResponsesEvents:
    """Encodes one stream."""

    def __init__(self, request: ResponsesRequest, answer_id: str) -> None:
        self._request = request
        self._answer_id = answer_id
        self._reader = AnswerReader()
        self._started = False
        self._sent = 0

    def chunk(self, chunk: dict[str, Any]) -> bytes:
        """See StreamEncoder."""
        steps = self._reader.feed(chunk)
        events = b""
        if not self._started:
            for name in ("response.created", "response.in_progress"):
                events += self._event(name, {"response": self._response("in_progress")})
        for step in steps:
            for name, payload in self._step(step):
                events += self._event(name, payload)
        self._started = True
        return events

    def end(self) -> bytes:
        """See StreamEncoder."""
        status = status_of(self._reader.end())
        return self._event(f"response.{status}", {"response": self._response(status)})

    def failed(self, error: SextantError) -> bytes:
        """Both of OpenAI's endings: the failed response, for those who follow its state, and the error,
        which makes the official clients raise. The error is nested as OpenAI sends it, and flat as it
        documents it."""
        events = b""
        if self._started:
            events = self._event("response.failed", {"response": self._response("failed", error)})
        wire = error.to_wire()
        flat = {name: wire["error"][name] for name in ("code", "message", "param")}
        return events + self._event("error", {**flat, **wire})

    def _step(self, step: Step) -> Iterator[tuple[str, Payload]]:
        index, part = step.index, step.part
        place = {"item_id": item_id(self._answer_id, index, part), "output_index": index}
        inside = place if part.kind == "call" else {**place, "content_index": 0}
        if isinstance(step, Opened):
            item = output_item(self._answer_id, index, part, "in_progress", bare=True)
            yield "response.output_item.added", {"output_index": index, "item": item}
            if part.kind != "call":
                yield "response.content_part.added", {**inside, "part": content_part(part)}
        elif isinstance(step, Grown):
            yield f"{_growing(part)}.delta", {**inside, "delta": step.text, **_logprobs(part)}
        elif isinstance(step, Closed):
            yield f"{_growing(part)}.done", {**inside, **_whole(part), **_logprobs(part)}
            if part.kind != "call":
                yield "response.content_part.done", {**inside, "part": content_part(part)}
            # Known by now: the last part closes with the finish reason, and only that one can be cut off.
            item = output_item(self._answer_id, index, part, status_of(self._reader.answer))
            yield "response.output_item.done", {"output_index": index, "item": item}

    def _response(self, status: Status, error: SextantError | None = None) -> Payload:
        return response_object(self._request, self._answer_id, self._reader.answer, status, error)

    def _event(self, name: str, payload: Payload) -> bytes:
        event = named_event(name, {"type": name, "sequence_number": self._sent, **payload})
        self._sent += 1
        return event


def _growing(part: Part) -> str:
    names = {"text": "output_text", "refusal": "refusal", "call": "function_call_arguments"}
    return f"response.{names[part.kind]}"


def _whole(part: Part) -> Payload:
    if part.kind == "call":
        return {"arguments": part.text, "name": part.name}
    return {part.kind: part.text}


def _logprobs(part: Part) -> Payload:
    return {"logprobs": []} if part.kind == "text" else {}
