"""A streamed chat answer as the events of the Messages API."""

from typing import Any

from app.dialects.answer import Part
from app.dialects.encoder import named_event
from app.dialects.messages_answer import bare_block, bare_message, ending_of, error_object, input_of, usage_of
from app.dialects.reader import AnswerReader, Grown, Opened, Step
from app.errors import SextantError


class MessagesEvents:
    """Encodes one stream."""

    def __init__(self, answer_id: str, request_id: str) -> None:
        self._answer_id = answer_id
        self._request_id = request_id
        self._reader = AnswerReader()
        self._started = False

    def chunk(self, chunk: dict[str, Any]) -> bytes:
        """See StreamEncoder."""
        steps = self._reader.feed(chunk)
        events = b""
        if not self._started:
            self._started = True
            events = _event("message_start", message=bare_message(self._answer_id, self._reader.answer))
        return events + b"".join(map(self._step, steps))

    def end(self) -> bytes:
        """See StreamEncoder. Only now is the input counted, so the usage here holds for all of it."""
        answer = self._reader.end()
        reason, sequence = ending_of(answer)
        delta = {"stop_reason": reason, "stop_sequence": sequence}
        last = _event("message_delta", delta=delta, usage=usage_of(answer.tokens), sextant=answer.extension)
        return last + _event("message_stop")

    def failed(self, error: SextantError) -> bytes:
        """See StreamEncoder."""
        return named_event("error", error_object(error, self._request_id))

    def _step(self, step: Step) -> bytes:
        if isinstance(step, Opened):
            return _event("content_block_start", index=step.index, content_block=bare_block(step.part))
        if isinstance(step, Grown):
            return _event("content_block_delta", index=step.index, delta=_delta(step.part, step.text))
        if step.part.kind == "call":
            input_of(step.part, self._reader.answer)  # raises rather than let a broken call look complete
        return _event("content_block_stop", index=step.index)


def _delta(part: Part, text: str) -> dict[str, Any]:
    if part.kind == "call":
        return {"type": "input_json_delta", "partial_json": text}
    return {"type": "text_delta", "text": text}


def _event(name: str, **fields: Any) -> bytes:
    return named_event(name, {"type": name, **fields})
