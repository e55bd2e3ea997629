"""What routing tells, as metrics for Prometheus: shadows, which nobody else would hear of, and refused requests."""

from ray.util.metrics import Counter, Histogram

from app.config.money import NANO_PER_USD
from app.routing.events import RequestShed, RoutingEvent, ShadowDropped, ShadowFinished

TARGET = ("target",)
# From a cached answer of a small model to the longest that `gateway.request_timeout_s` allows by default, seconds.
BOUNDARIES_S = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0]


class RoutingMetrics:
    """A listener of routing events, one for each ingress process."""

    def __init__(self) -> None:
        self._requests = Counter("sextant_shadow_requests", "Mirrored requests that have ended.", TARGET)
        self._errors = Counter("sextant_shadow_errors", "Those that failed, by the error's code.", ("target", "code"))
        self._seconds = Histogram(
            "sextant_shadow_seconds", "From the call to the end of the answer, where one came.", BOUNDARIES_S, TARGET
        )
        self._first_token = Histogram(
            "sextant_shadow_first_token_seconds", "From the call to a stream's first content.", BOUNDARIES_S, TARGET
        )
        self._tokens = Counter("sextant_shadow_tokens", "Tokens of mirrored requests.", ("target", "kind"))
        self._cost = Counter("sextant_shadow_cost_usd", "What mirrored requests cost the operator.", TARGET)
        self._dropped = Counter("sextant_shadow_dropped", "Requests not mirrored: too many were under way.", TARGET)
        self._shed = Counter("sextant_requests_shed", "Requests refused by load shedding.", ("kind",))

    def __call__(self, event: RoutingEvent) -> None:
        if isinstance(event, ShadowFinished):
            self._shadow(event)
        elif isinstance(event, ShadowDropped):
            self._dropped.inc(1, {"target": event.target})
        elif isinstance(event, RequestShed):
            self._shed.inc(1, {"kind": "batch" if event.is_batch else "request"})

    def _shadow(self, event: ShadowFinished) -> None:
        target = {"target": event.target}
        self._requests.inc(1, target)
        if event.error is not None:
            self._errors.inc(1, {**target, "code": event.error})
        else:  # one that fails at once would look fast
            self._seconds.observe((event.end_ns - event.start_ns) / 1e9, target)
        if event.first_token_ns is not None:
            self._first_token.observe((event.first_token_ns - event.start_ns) / 1e9, target)
        # Ray's counters take no 0.
        for kind, tokens in (("prompt", event.prompt_tokens), ("completion", event.completion_tokens)):
            if tokens:
                self._tokens.inc(tokens, {**target, "kind": kind})
        if event.cost_nano:
            self._cost.inc(event.cost_nano / NANO_PER_USD, target)
