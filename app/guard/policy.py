"""The identity of the guard's policy, for cache keys. Light to import: the ingress needs only this."""

import hashlib

from app.config import GuardConfig

# Raise it when the code in this package masks differently.
REVISION = 2


def policy_version(config: GuardConfig) -> str:
    """Identifies what the guard would do to a text: settings and revision of the code."""
    if not config.enabled:
        return "off"
    identity = (
        REVISION,
        sorted(config.entities),
        config.threshold,
        config.language_model,
        sorted(config.allow),
    )
    return hashlib.blake2b(repr(identity).encode(), digest_size=6).hexdigest()
