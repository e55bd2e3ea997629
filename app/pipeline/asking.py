"""What a model is asked, and what is done to its answer: prompts, passages, marks, output rails."""

from dataclasses import replace
from typing import Any

from app.cache.entry import Entry
from app.config import StackConfig
from app.guard.spotlight import spotlight
from app.guard.types import Context
from app.pipeline.desks import Prompts
from app.pipeline.draft import Draft
from app.pipeline.flight import Flight
from app.pipeline.guarded import OutputGuard
from app.pipeline.journey import Journey
from app.pipeline.output import OutputFilter
from app.pipeline.route import Route
from app.pipeline.schema import Ask, SchemaCheck
from app.pipeline.screen import Guarding
from app.prompts import PromptBook
from app.retrieval.marks import Marks
from app.retrieval.passages import quote
from app.wire.chat import ChatRequest


class Asking:
    """For all requests."""

    def __init__(self, config: StackConfig, book: PromptBook, guarding: Guarding) -> None:
        self._config = config
        self._book = book
        self._guarding = guarding

    def prompts(self, route: Route, flight: Flight) -> Prompts:
        """The prompts in force now: the ones in the key must be the ones that the model gets. The trace names them."""
        found = Prompts(
            system=self._book[route.prompt] if route.prompt else None,
            question=self._book[self._config.retrieval.prompt] if route.retrieval else None,
        )
        if found.identities:
            flight.attributes["sextant.prompts"] = list(found.identities)
        return found

    def instruct(self, journey: Journey) -> Draft:
        """What the model gets: the passages around the question, the alias's prompt in front."""
        draft, prompts, passages = journey.draft, journey.prompts, journey.passages
        style = self._guarding.style
        if style != "off" and self._config.guard.spotlight_tools:
            draft = draft.with_tool_results(lambda text: spotlight(text, style, "tool_result"))
        if passages is not None and prompts.question is not None:
            quoted = quote(passages, style)
            draft = draft.asking(prompts.question.render(passages=quoted, question=draft.question or ""))
        if prompts.system:
            draft = draft.instructed(self._guarding.marked(prompts.system.template, journey.policy))
        # An answer that must be JSON is seen whole before any of it leaves.
        rail = self._guarding.json_rail(draft, journey.policy)
        return draft.unstreamed() if rail is not None and rail.mode == "block" else draft

    def marks(self, journey: Journey) -> Marks | None:
        """Marks belong into prose: not into JSON, and not where log probabilities count tokens."""
        request, passages = journey.request, journey.passages
        if not passages or not self._config.retrieval.marks or request.logprobs:
            return None
        response_format = request.response_format if isinstance(request, ChatRequest) else None
        if response_format is not None and response_format.type != "text":
            return None
        return Marks([passage.chunk.text for passage in passages])

    def schema_check(self, journey: Journey, draft: Draft, ask: Ask) -> SchemaCheck | None:
        """The check of an answer that must be JSON; None where the request, or the policy, wants none."""
        rail = self._guarding.json_rail(draft, journey.policy)
        if rail is None:
            return None
        return SchemaCheck(
            rail, draft.body["response_format"], draft.body["messages"], ask, journey.flight, self._guarding.count
        )

    def output_guard(self, journey: Journey) -> OutputGuard | None:
        """The output rails for one generation; None where the policy has none."""
        screening = self._guarding.screening
        if screening is None or not screening.has_rails(journey.policy, "output"):
            return None
        system, messages = journey.prompts.system, journey.draft.body.get("messages", ())
        prompts = [self._guarding.marked(system.template, journey.policy)] if system else []
        prompts += [m["content"] for m in messages if m["role"] in ("system", "developer") and m.get("content")]
        context = Context(
            question=journey.draft.question or "",
            system_prompt="\n\n".join(prompts),
            passages=tuple(passage.chunk.text for passage in journey.passages or ()),
            response_format=journey.draft.body.get("response_format"),
        )
        return OutputGuard(screening, journey.policy, context, journey.flight)

    async def finish(self, journey: Journey, answer: dict[str, Any]) -> Entry | None:
        """Another whole answer for a request that has one, as a generation would have kept it: screened and marked.
        None where a rail failed. The request's own flight, which may be over, learns nothing of it."""
        aside = replace(journey, flight=journey.flight.again(journey.flight.deadline))
        guard, marks = self.output_guard(aside), self.marks(aside)
        if guard:
            await guard.answer(answer)
            if guard.failed_open:
                return None
        if marks:
            OutputFilter(marks.filter).answer(answer)
        return Entry(answer)
