"""Everything about accounts that the database holds."""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts.keys import KeyStore
from app.accounts.rules import RuleStore
from app.accounts.spend import UsageStore
from app.accounts.tokens import KeyHasher
from app.config import Secrets


class AccountStore:
    """For the admin routes and the usage route; requests are answered from `Directory`."""

    def __init__(
        self, engine: AsyncEngine, secrets: Secrets, flush: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """`flush`: waits until the usage of finished requests is in the database."""
        self.keys = KeyStore(engine, KeyHasher(secrets))
        self.rules = RuleStore(engine)
        self.usage = UsageStore(engine, flush)
