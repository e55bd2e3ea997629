"""Every error that a client can see, and the one shape it is seen in.

    SextantError
    ├── InvalidRequest            400  the request is wrong; `param` names the field
    │   └── ContextTooLong        400  prompt and answer do not fit the model's context
    │   ├── ContentRefused        400  a provider's content policy refuses it
    │   └── BlockedByGuard        400  a rail of ours does; `rule` names it
    ├── Unauthenticated           401  no key, or not a key of ours
    │   └── BatchTokenExpired     401  a batch's job asks with a token that has run out, and may take a new one
    ├── BudgetExceeded            402  a budget does not hold what the request may cost
    ├── PermissionDenied          403  the key may not do this
    ├── NotFound                  404  no such route or thing
    │   └── ModelNotFound         404  no model or alias of that name
    ├── MethodNotAllowed          405
    ├── Conflict                  409  it exists already, or has changed meanwhile
    ├── RequestTooSlow            408  the body did not arrive within gateway.body_timeout_s
    ├── PayloadTooLarge           413  body over gateway.max_body_bytes
    ├── UnsupportedMediaType      415  the body is not JSON
    ├── RateLimited               429  a limit of ours is reached; `retry_after_s`
    │   └── UpstreamRateLimited   429  a provider's is
    ├── ClientClosedRequest       499  nobody is there to read this
    ├── InternalError             500  a bug; the request id finds it in the log
    ├── UpstreamFailed            502  a model answered with an error of its own, or cannot be reached
    ├── Unavailable               503  a dependency is down; `retry_after_s`
    │   └── Overloaded            503  more requests than can be worked on; `retry_after_s`
    └── DeadlineExceeded          504  past gateway.request_timeout_s
        └── UpstreamTimeout       504  a model was silent for too long

The wire shape is OpenAI's: `{"error": {"message", "type", "param", "code"}}`. Messages are ours: no
traceback, path or text of another library's exception gets into them.
"""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote


class SextantError(Exception):
    """Base of the tree. `str(error)` is the sentence that the client reads."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors cross process borders by pickle; keyword arguments would be lost."""
        return _rebuild, (type(self), self.message, self._details())

    def _details(self) -> dict[str, Any]:
        return {"param": self.param, "retry_after_s": self.retry_after_s}

    def to_wire(self) -> dict[str, Any]:
        """The body of an error answer, and the data of an SSE error event."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }

    def headers(self) -> dict[str, str]:
        """Headers that go with it."""
        if self.retry_after_s is None:
            return {}
        return {"retry-after": str(max(1, round(self.retry_after_s)))}


def _rebuild(kind: type[SextantError], message: str, details: dict[str, Any]) -> SextantError:
    return kind(message, **details)


class InvalidRequest(SextantError):
    status, type, code = 400, "invalid_request_error", "invalid_request"


class NotForThisTarget(InvalidRequest):
    """What was asked for cannot be said in this target's API; another one may take it."""


class ContextTooLong(InvalidRequest):
    code = "context_length_exceeded"


class ContentRefused(InvalidRequest):
    code = "content_policy_violation"


class BlockedByGuard(InvalidRequest):
    """`rule`: the rail and what it found, such as `injection.override`."""

    code = "content_filter"

    def __init__(
        self, message: str, *, param: str | None = None, retry_after_s: float | None = None, rule: str = ""
    ) -> None:
        super().__init__(message, param=param, retry_after_s=retry_after_s)
        self.rule = rule

    def _details(self) -> dict[str, Any]:
        return {**super()._details(), "rule": self.rule}

    def headers(self) -> dict[str, str]:
        rule = quote(self.rule, safe=" ./:-_")
        return {**super().headers(), "x-sextant-guard": rule} if rule else super().headers()


class Unauthenticated(SextantError):
    status, type, code = 401, "authentication_error", "invalid_api_key"

    def headers(self) -> dict[str, str]:
        return {"www-authenticate": "Bearer"}


class BatchTokenExpired(Unauthenticated):
    code = "batch_token_expired"


class BudgetExceeded(SextantError):
    status, type, code = 402, "insufficient_quota", "budget_exceeded"


class PermissionDenied(SextantError):
    status, type, code = 403, "permission_error", "permission_denied"


class NotFound(SextantError):
    status, type, code = 404, "invalid_request_error", "not_found"


class ModelNotFound(NotFound):
    code = "model_not_found"


class MethodNotAllowed(SextantError):
    status, type, code = 405, "invalid_request_error", "method_not_allowed"


class Conflict(SextantError):
    status, type, code = 409, "invalid_request_error", "conflict"


class RequestTooSlow(SextantError):
    status, type, code = 408, "invalid_request_error", "request_timeout"


class PayloadTooLarge(SextantError):
    status, type, code = 413, "invalid_request_error", "payload_too_large"


class UnsupportedMediaType(SextantError):
    status, type, code = 415, "invalid_request_error", "unsupported_media_type"


class RateLimited(SextantError):
    """`limits`: the `x-ratelimit-*` headers that tell which limit it was."""

    status, type, code = 429, "rate_limit_error", "rate_limit_exceeded"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        limits: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, param=param, retry_after_s=retry_after_s)
        self.limits = dict(limits or {})

    def headers(self) -> dict[str, str]:
        return {**self.limits, **super().headers()}

    def _details(self) -> dict[str, Any]:
        return {**super()._details(), "limits": self.limits}


class UpstreamRateLimited(RateLimited):
    code = "upstream_rate_limited"


class ClientClosedRequest(SextantError):
    status, type, code = 499, "client_closed_request", "client_closed_request"


class InternalError(SextantError):
    """A bug of ours, or a foreign error that no boundary translated."""


class UpstreamFailed(SextantError):
    status, type, code = 502, "server_error", "upstream_failed"


class Unavailable(SextantError):
    status, type, code = 503, "server_error", "unavailable"


class Overloaded(Unavailable):
    code = "overloaded"


class DeadlineExceeded(SextantError):
    status, type, code = 504, "server_error", "deadline_exceeded"


class UpstreamTimeout(DeadlineExceeded):
    code = "upstream_timeout"
