"""One request on its way through the pipeline, and what the stages have found out so far."""

from dataclasses import dataclass, field

from app.cache.desk import CacheDesk
from app.guard.types import Screened
from app.memory.recall import Recall
from app.pipeline.caching import Near
from app.pipeline.deliver import Delivery
from app.pipeline.desks import Prompts
from app.pipeline.draft import Draft
from app.pipeline.flight import Flight
from app.pipeline.json_answers import wants_json
from app.pipeline.route import Route
from app.pipeline.screen import Clearance
from app.retrieval.types import Passage
from app.wire.chat import ChatRequest
from app.wire.completions import CompletionRequest

Request = ChatRequest | CompletionRequest


@dataclass(slots=True)
class Journey:
    """Filled in by one stage after the other."""

    request: Request
    route: Route
    flight: Flight
    prompts: Prompts
    draft: Draft
    desk: CacheDesk
    screened: Screened = field(default_factory=lambda: Screened(()))
    near: Near = field(default_factory=Near)
    passages: list[Passage] | None = None  # None: the request wants none
    policy: str = ""  # the guard's, by name
    recall: Recall | None = None  # what it remembers; None: nothing
    clearance: Clearance | None = None  # input rails that are still at work

    async def cleared(self) -> None:
        """Wait for the input rails that are still at work. Raises BlockedByGuard, Unavailable."""
        if self.clearance is not None:
            await self.clearance.wait()

    @property
    def delivery(self) -> Delivery:
        options = self.request.stream_options
        return Delivery(
            self.flight,
            self.screened,
            include_usage=bool(options and options.include_usage),
            is_json=wants_json(self.draft.body.get("response_format")),
        )
