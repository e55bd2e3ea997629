"""One request on its way through the pipeline, and what the stages have found out so far."""

from dataclasses import dataclass, field

from app.cache.desk import CacheDesk
from app.guard.types import Screened
from app.pipeline.caching import Near
from app.pipeline.deliver import Delivery
from app.pipeline.desks import Prompts
from app.pipeline.draft import Draft
from app.pipeline.flight import Flight
from app.pipeline.route import Route
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

    @property
    def delivery(self) -> Delivery:
        options = self.request.stream_options
        return Delivery(self.flight, self.screened, include_usage=bool(options and options.include_usage))
