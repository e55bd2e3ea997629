"""The guard as memory uses it: texts masked before they are kept, notes screened like what is retrieved."""

from collections.abc import Mapping, Sequence

from app.config import GuardConfig
from app.errors import Unavailable
from app.guard.restore import Restorer
from app.guard.screening import Screening, Spoken
from app.guard.types import Screened
from app.pipeline.screen import enforce


class MemoryGuard:
    """Without a guard every text passes as it is."""

    def __init__(self, config: GuardConfig, screening: Screening | None, identities: Mapping[str, str]) -> None:
        """`identities`: what tells each policy from what it was before, by name."""
        self._config = config
        self._screening = screening
        self._identities = identities

    def policy_of(self, tenant: str) -> str:
        """Name of a tenant's policy, where no alias has another."""
        return self._config.policy_of(tenant, None)

    def identity(self, policy: str) -> str:
        return self._identities[policy]

    async def spoken(self, policy: str, spoken: Sequence[Spoken], known: Mapping[str, str]) -> Screened:
        """Texts as a request's; `known` values keep their placeholders. Raises BlockedByGuard, and Unavailable where a
        rail failed: what no guard has seen is not kept."""
        if self._screening is None or not spoken:
            return Screened(tuple(each.text for each in spoken))
        screened = await self._screening.request(policy, spoken, known)
        enforce(screened)
        if screened.failed_open:
            raise Unavailable("The guard has failed, so nothing can be kept; try again.", retry_after_s=1)
        return screened

    async def notes(self, policy: str, texts: Sequence[str]) -> list[str | None]:
        """Texts as passages that were retrieved; None for one that no model is to see."""
        if self._screening is None or not texts or not self._screening.has_rails(policy, "retrieved"):
            return list(texts)
        screened = await self._screening.passages(policy, texts)
        return [None if index in screened.dropped else text for index, text in enumerate(screened.texts)]


def restored(text: str, vault: Mapping[str, str], *, in_json: bool = False) -> str:
    """The text with values in the place of placeholders."""
    restorer = Restorer(vault, in_json=in_json)
    return restorer.feed(text) + restorer.flush()
