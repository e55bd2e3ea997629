"""What a client reads about its limits: headers as OpenAI sends them, and the errors when one is reached."""

from collections.abc import Iterable
from datetime import UTC, datetime

from app.accounts.types import Budget, LimitRule
from app.config.money import usd_text
from app.errors import BudgetExceeded, InvalidRequest, RateLimited, SextantError
from app.ledger.counters import Reading, Verdict
from app.ledger.meters import Meter
from app.ledger.periods import span

KINDS = {"requests": ("s",), "tokens": ("t", "w")}
UNITS = {"s": "requests per minute", "t": "tokens per minute", "c": "requests at a time"}


def rate_limit_headers(readings: Iterable[Reading]) -> dict[str, str]:
    """`x-ratelimit-*` of requests and tokens, each of the rule that has least left; none where there is no limit."""
    headers: dict[str, str] = {}
    readings = tuple(readings)
    for kind, modes in KINDS.items():
        tightest = min((r for r in readings if r.meter.mode in modes), key=lambda r: r.remaining, default=None)
        if tightest:
            headers[f"x-ratelimit-limit-{kind}"] = str(tightest.meter.limit)
            headers[f"x-ratelimit-remaining-{kind}"] = str(tightest.remaining)
            headers[f"x-ratelimit-reset-{kind}"] = duration(tightest.empty_ms)
    return headers


def refusal(verdict: Verdict, readings: Iterable[Reading]) -> SextantError:
    """The error for a verdict that refuses; `readings` are the ones that the headers tell of."""
    reading = verdict.refused
    assert reading is not None
    source = reading.meter.source
    if isinstance(source, Budget):
        return budget_exceeded(source, reading, verdict.now_ms)
    frees_ms = reading.empty_ms if verdict.frees_ms is None else verdict.frees_ms
    return _rate_limited(source, reading, frees_ms, rate_limit_headers(readings))


def check_fits(meters: Iterable[Meter]) -> None:
    """Raises InvalidRequest for more tokens than a limit allows in a minute: to try again would never help."""
    for meter in meters:
        if meter.mode == "t" and meter.amount > meter.limit:
            raise InvalidRequest(
                f"This request may use {meter.amount} tokens, and the {meter.source.scope} may have {meter.limit} "
                f"{UNITS['t']}: it can never fit. Send a shorter prompt, or ask for fewer tokens."
            )


def budget_exceeded(budget: Budget, reading: Reading, now_ms: int) -> BudgetExceeded:
    """402. Says whose budget it is and when it begins anew; what is left of it only where it is the caller's own: of a
    tenant's or a model's it would tell what others spend."""
    cost = f" for a request that may cost {usd_text(reading.meter.amount)} USD" if reading.meter.amount else ""
    if budget.period == "rolling":
        period, resets = f"for any {duration((budget.window_s or 0) * 1000)}", "it frees up as the window slides"
    elif budget.period == "total":
        period, resets = "in total", "it does not reset"
    else:
        end_ms = span(budget.period, now_ms).end_ms or 0
        period, resets = f"a {budget.period}", f"it resets at {datetime.fromtimestamp(end_ms / 1000, UTC):%FT%TZ}"
    if budget.scope not in ("key", "customer"):
        return BudgetExceeded(f"The {budget.scope}'s budget {period} does not suffice{cost}; {resets}.")
    return BudgetExceeded(
        f"The {budget.scope}'s budget of {usd_text(budget.amount_nano)} USD {period} does not suffice{cost}: "
        f"{usd_text(reading.remaining)} USD are left that are neither spent nor reserved; {resets}."
    )


def duration(ms: int) -> str:
    """As Go writes it, and OpenAI's headers: `120ms`, `1s`, `1.5s`, `6m0s`, `1h0m0s`."""
    if 0 < ms < 1000:
        return f"{ms}ms"
    minutes, rest = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _rate_limited(rule: LimitRule, reading: Reading, frees_ms: int, headers: dict[str, str]) -> RateLimited:
    meter = reading.meter
    allowed = f"The {rule.scope} may have {meter.limit} {UNITS[meter.mode]}"
    wants = f", and this request needs {meter.amount}" if meter.mode == "t" else ""
    return RateLimited(
        f"{allowed}{wants}; {reading.remaining} are left. Try again in {duration(frees_ms)}.",
        retry_after_s=-(-frees_ms // 1000),
        limits=headers,
    )
