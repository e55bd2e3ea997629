"""Errors of a target, by what can be done about them.

| class          | errors                          | same target again | breaker            |
| -------------- | ------------------------------- | ----------------- | ------------------ |
| down           | UpstreamFailed, Unavailable     | yes               | counts             |
| down           | UpstreamTimeout                 | no                | counts             |
| rate_limit     | UpstreamRateLimited, Overloaded | yes               | does not count     |
| context_window | ContextTooLong                  | no                | the target is well |
| content_policy | ContentRefused                  | no                | the target is well |
| unsupported    | NotForThisTarget                | no                | does not count     |

A provider that says itself for how long it cannot answer (UpstreamRateLimited and UpstreamFailed with
`retry_after_s`) is left alone that long, and need not fail again for it. `Overloaded` is ours: a full queue
of a served model passes too soon for that, and its model is well. For `unsupported` nothing was sent: it tells
nothing of the target, and is no call.

Whatever else is raised would be raised by every target (a bad request), or concerns nobody any more
(a client that left, the deadline), or is a bug: it ends the request.
"""

import math
from collections.abc import Sequence
from typing import Literal

from app.config.routing import FailureClass
from app.errors import (
    ContentRefused,
    ContextTooLong,
    NotForThisTarget,
    Overloaded,
    SextantError,
    Unavailable,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamTimeout,
)

Failure = FailureClass | Literal["unsupported"]
"""`unsupported` has no fallbacks of its own in the configuration: those of `any` stand for it."""


def failure_class(error: BaseException) -> Failure | None:
    """What kind of failure of a target this is; None: another target would not help."""
    match error:
        case ContextTooLong():
            return "context_window"
        case ContentRefused():
            return "content_policy"
        case NotForThisTarget():
            return "unsupported"
        case UpstreamRateLimited() | Overloaded():
            return "rate_limit"
        case UpstreamFailed() | UpstreamTimeout() | Unavailable():
            return "down"
        case _:
            return None


def most_telling(errors: Sequence[SextantError]) -> SextantError:
    """The one of a request's errors, in their order, that its client should act on.

    What goes away by itself comes before what does not: the client may ask the same again. Only where
    all of that were rate limits is it a 429, with the shortest pause; otherwise it is the last failure. What one
    target's API cannot say is told where nobody said anything else.
    """
    passing = [error for error in errors if failure_class(error) in ("down", "rate_limit")]
    if not passing:
        said = [error for error in errors if failure_class(error) != "unsupported"]
        return (said or errors)[-1]
    failed = [error for error in passing if failure_class(error) == "down"]
    if failed:
        return failed[-1]
    return min(passing, key=lambda error: math.inf if error.retry_after_s is None else error.retry_after_s)
