"""Which answers are worth another try, and after what pause."""

import random

from app.batches.answer import Answer
from app.errors import RateLimited

# Not executed: a limit, a full queue, a gateway that restarts. Waiting is all it takes.
BUSY = frozenset({429, 503})
# Executed perhaps, and paid for perhaps: a few tries.
BROKEN = frozenset({408, 500, 502, 504})
BASE_S = 0.5
CAP_S = 60.0


def is_busy(answer: Answer) -> bool:
    """Whether waiting is all it takes. A limit of ours that names no time to wait never lets the request pass."""
    if answer.status == RateLimited.status and answer.retry_after_s is None:
        return answer.code != RateLimited.code
    return answer.status in BUSY


def pause_s(answer: Answer, tries: int) -> float:
    """Seconds until the next try; `tries` were made.

    What the gateway asks for, and a tenth more at random, so that those who were refused together do not
    come back together. Else exponential with full jitter (Brooker, "Exponential Backoff And Jitter", 2015).
    """
    if answer.retry_after_s is not None:
        return answer.retry_after_s * random.uniform(1, 1.1)  # noqa: S311 - not for secrets
    # The exponent is bounded: a batch may be refused for a day.
    return random.uniform(0, min(CAP_S, BASE_S * 2 ** min(tries, 10)))  # noqa: S311 - not for secrets
