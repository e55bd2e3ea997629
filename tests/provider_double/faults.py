"""What can go wrong at a provider, for which requests, and how often.

| fault | what the client sees |
| --- | --- |
| three digits, such as `429`, `500`, `503`, `529` | that status, with `retry-after` when `retry_after_s` is given |
| `hang` | nothing: the request is read and never answered |
| `reset` | the connection is reset instead of an answer |
| `slow_first_token` | `delay_s` of silence (headers too), then the answer |
| `stall` | half of the tokens, then silence |
| `cut_stream` | half of the tokens, then the connection closes without the end that HTTP needs |
| `end_early` | half of the tokens, then an orderly end of the body: no finish_reason, no `[DONE]` |
| `no_done` | the whole stream, but without `[DONE]`, as some providers end theirs |
| `malformed_chunk` | half of the tokens, then an event that is no JSON; a whole answer that is no JSON |
| `error_event` | half of the tokens, then an error of the provider's shape; a whole answer: one under status 200 |
| `context` | 400: the prompt does not fit |
| `content_filter` | 400: the provider's policy refuses the prompt |
| `quota` | 429 `insufficient_quota`: the account is out of money |
| `wrong_key` | 401, in a message that shows the key |
| `unknown_model` | 404: no such model |
"""

import random
from dataclasses import dataclass, replace

MID_STREAM = frozenset({"stall", "cut_stream", "end_early", "malformed_chunk", "error_event"})
REFUSALS = frozenset({"context", "content_filter", "quota", "wrong_key", "unknown_model"})
KINDS = MID_STREAM | REFUSALS | {"hang", "reset", "slow_first_token", "no_done"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault, and which requests meet it. Raises ValueError for a kind that there is not."""

    kind: str
    share: float = 1.0  # of the requests that it is for
    count: int | None = None  # requests that it may still hit; None: no end
    model: str | None = None  # only requests for this model
    retry_after_s: float | None = None
    delay_s: float = 1.0  # of `slow_first_token`

    def __post_init__(self) -> None:
        if self.kind not in KINDS and self.status is None:
            raise ValueError(f"no fault {self.kind!r}; there are: a status, {', '.join(sorted(KINDS))}")

    @property
    def status(self) -> int | None:
        """The status of an error answer, where the kind names one."""
        return int(self.kind) if len(self.kind) == 3 and self.kind.isdigit() else None


class FaultBox:
    """The faults that are set; the first that hits a request is the one that it meets."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def draw(self, model: str, asked: str | None) -> Fault | None:
        """The fault of one request: what it asks for itself, else by the dice."""
        if asked:
            return Fault(asked)
        for place, fault in enumerate(self._faults):
            if fault.model not in (None, model) or fault.count == 0:
                continue
            if fault.share < 1 and self._random.random() >= fault.share:
                continue
            if fault.count is not None:
                self._faults[place] = replace(fault, count=fault.count - 1)
            return fault
        return None
