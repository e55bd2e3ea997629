"""What a client allows the cache to do for one request."""

import re
from dataclasses import dataclass

from app.config import CacheConfig
from app.wire.extension import CacheRequest

# RFC 9111, 1.2.2; both forms of the argument are to be understood (5.2).
MAX_AGE = re.compile(r'max-age=("?)([0-9]{1,10})\1')


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What the client allows, where the configuration does.

    `read`: an answer that is kept may be given, if it is at most `max_age_s` old; `write`: a new one may be kept, and
    is fresh for `ttl_s` (None: as configured). `semantic`: the questions need only mean the same. `sampled`: a
    temperature above 0, and `tool_calls`: an answer that calls tools, are no reason against it.
    """

    read: bool = True
    write: bool = True
    semantic: bool = True
    max_age_s: float | None = None
    ttl_s: float | None = None
    sampled: bool = False
    tool_calls: bool = False

    @classmethod
    def of(cls, header: str | None, wish: CacheRequest, config: CacheConfig) -> "CacheUse":
        """From the `cache-control` request header and the body's `sextant.cache`; both must allow.

        `no-cache` asks for a new answer, which may be kept; `no-store` keeps out of the cache altogether; `max-age=N`
        wants no answer older than N seconds. Other directives, and what is none, are passed over.
        """
        directives = {part.strip().lower() for part in (header or "").split(",")}
        no_store = "no-store" in directives
        ages = [float(found[2]) for part in directives if (found := MAX_AGE.fullmatch(part))]
        if wish.max_age_s is not None:
            ages.append(wish.max_age_s)
        return cls(
            read=wish.read and not no_store and "no-cache" not in directives,
            write=wish.write and not no_store,
            semantic=wish.semantic and config.semantic.enabled,
            max_age_s=min(ages, default=None),
            ttl_s=None if wish.ttl_s is None else min(wish.ttl_s, config.ttl_s),
            sampled=config.sampled if wish.sampled is None else wish.sampled,
            tool_calls=config.tool_calls if wish.tool_calls is None else wish.tool_calls,
        )
