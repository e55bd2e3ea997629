"""Errors of a target, by what can be done about them.

| class          | errors                          | same target again | breaker            |
| -------------- | ------------------------------- | ----------------- | ------------------ |
| down           | UpstreamFailed, Unavailable     | yes               | counts             |
| down           | UpstreamTimeout                 | no                | counts             |
| rate_limit     | UpstreamRateLimited, Overloaded | yes               | does not count     |
| context_window | ContextTooLong                  | no                | the target is well |
| content_policy | ContentRefused                  | no                | the target is well |

A provider that says itself for how long it cannot answer (UpstreamRateLimited and UpstreamFailed with
`retry_after_s`) is left alone that long, and need not fail again for it. `Overloaded` is ours: a full queue
of a served model passes too soon for that, and its model is well.

Whatever else is raised would be raised by every target (a bad request), or concerns nobody any more
(a client that left, the deadline), or is a bug: it ends the request.
"""

import math
from collections.abc import Sequence

from app.config.routing import FailureClass
from app.errors import (
    ContentRefused,
    ContextTooLong,
    Overloaded,
    SextantError,
    Unavailable,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamTimeout,
)


def failure_class(error: BaseException) -> FailureClass | None:
    """What kind of failure of a target this is; None: another target would not help."""
    match error:
        case ContextTooLong():
            return "context_window"
        case ContentRefused():
            return "content_policy"
        case UpstreamRateLimited() | Overloaded():
            return "rate_limit"
        case UpstreamFailed() | UpstreamTimeout() | Unavailable():
            return "down"
        case _:
            return None


def most_telling(errors: Sequence[SextantError]) -> SextantError:
    """The one of a request's errors, in their order, that its client should act on.

    What goes away by itself comes before what does not: the client may ask the same again. Only where
    all of that were rate limits is it a 429, with the shortest pause; otherwise it is the last failure.
    """
    passing = [error for error in errors if failure_class(error) in ("down", "rate_limit")]
    if not passing:
        return errors[-1]
    failed = [error for error in passing if failure_class(error) == "down"]
    if failed:
        return failed[-1]
    return min(passing, key=lambda error: math.inf if error.retry_after_s is None else error.retry_after_s)
