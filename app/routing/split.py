"""Canary and shadow: a share of the customers, the same ones every time."""

import hashlib
from typing import Literal

from app.accounts.types import Caller
from app.config.routing import SplitConfig


def is_in(kind: Literal["canary", "shadow"], alias: str, split: SplitConfig, caller: Caller) -> bool:
    """Whether a caller belongs to a split.

    A hash places each customer (each key without one) at a fixed point between 0 and 100: the same in every
    process and after every start, and raising the percentage only ever adds customers. Kind, alias and
    model are hashed along, so that it is not always the same customers who try what is new.
    """
    # A customer's id is unique within its tenant only, and must not be taken for somebody's key.
    who = ("customer", caller.tenant, caller.customer) if caller.customer else ("key", caller.tenant, caller.key_id)
    # repr() quotes each part: no two callers look the same, whatever their names hold.
    digest = hashlib.blake2b(repr((kind, alias, split.model, *who)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 * 100 < split.percent
