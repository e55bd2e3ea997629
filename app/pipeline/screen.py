"""The guard as the pipeline uses it: timed, traced, and with its failure setting obeyed."""

from app.config import GuardConfig
from app.errors import ClientClosedRequest, InvalidRequest, SextantError, Unavailable
from app.guard.types import Screened
from app.pipeline.draft import Draft
from app.pipeline.flight import Flight
from app.pipeline.ports import GuardPort


class InputRail:
    """Screens drafts. Without a guard everything passes as it is."""

    def __init__(self, config: GuardConfig, guard: GuardPort | None) -> None:
        self._config = config
        self._guard = guard

    def check_length(self, draft: Draft) -> None:
        """Raises InvalidRequest for more text than can be screened in reasonable time."""
        limit = self._config.max_characters
        if self._guard is not None and sum(map(len, draft.texts)) > limit:
            raise InvalidRequest(f"The request holds more than the {limit:,} characters that are screened.")

    async def screen(self, draft: Draft, flight: Flight) -> Screened:
        """The guard's verdict. When the guard fails: raises (closed), or lets pass (open)."""
        unchanged = tuple(draft.texts)
        if self._guard is None:
            return Screened(unchanged)
        with flight.timeline.stage("guard") as attributes:
            try:
                screened = await self._guard.screen(unchanged)
            except ClientClosedRequest:
                raise  # nobody is there to be refused
            except SextantError as error:
                attributes["sextant.guard.failure"] = error.code
                flight.attributes["sextant.guard.on_failure"] = self._config.on_failure
                if self._config.on_failure == "closed":
                    if isinstance(error, Unavailable):
                        raise
                    raise Unavailable("The guard failed; try again.", retry_after_s=1) from error
                return Screened(unchanged, failed_open=True)
            attributes["sextant.guard.masked"] = len(screened.vault)
            attributes["sextant.guard.entities"] = sorted({f.entity for f in screened.findings})
            return screened
