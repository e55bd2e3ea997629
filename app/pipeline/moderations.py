"""`POST /v1/moderations`: what the guard's rails hold of texts, as they would of a request's."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.config import GuardConfig
from app.errors import InvalidRequest, NotFound, Unavailable
from app.guard.explain import Explained, explain
from app.guard.screening import Screening
from app.pipeline.flight import Flight
from app.pipeline.screen import tell
from app.wire.moderations import ModerationRequest, moderation_answer

MODEL = "guard"  # its name in limits and in the ledger


class ModerationPipeline:
    """Asks the rails of the tenant's policy. Limits on requests hold, it costs nothing, the texts leave no trace."""

    def __init__(self, config: GuardConfig, screening: Screening | None, digests: Mapping[str, str]) -> None:
        """`digests`: what identifies each policy, by name."""
        self._config = config
        self._screening = screening
        self._digests = digests

    async def answer(self, request: ModerationRequest, flight: Flight) -> dict[str, Any]:
        """OpenAI's answer. Raises SextantError; settled in any case."""
        return await flight.settled_after(self._answer(request, flight))

    async def _answer(self, request: ModerationRequest, flight: Flight) -> dict[str, Any]:
        flight.model = MODEL
        await flight.admit(MODEL)
        if self._screening is None:
            raise NotFound("The guard of this stack is off (guard.enabled): there are no rails to ask.")
        texts, limit, place = request.inputs, self._config.max_characters, request.sextant.place
        if sum(map(len, texts)) > limit:
            raise InvalidRequest(f"'input': holds more than the {limit:,} characters that are screened.", param="input")
        name = self._config.policy_of(flight.caller.tenant, None)
        with flight.timeline.stage("guard") as attributes:
            results = await explain(self._screening, name, place, texts)
            told = [replace(j.verdict, text=index) for index, one in enumerate(results) for j in one.judged]
            tell(attributes, told)
        _check_answered(results)
        policy = self._config.named[name]
        about = {"policy": name, "version": policy.version, "digest": self._digests[name], "place": place}
        return moderation_answer(flight.answer_id, f"{name}@{policy.version}", about, results)


def _check_answered(results: Sequence[Explained]) -> None:
    """Raises Unavailable where a request would be refused because a rail failed: who reads nothing but `flagged` would
    take the text for harmless."""
    for one in results:
        for verdict in one.failed:
            raise Unavailable(
                f"The guard's rail {verdict.rail!r} failed ({verdict.failure}); try again.", retry_after_s=1
            )
