"""Who a key belongs to: all keys in memory, as fresh as `accounts.refresh_s`, denied when in doubt."""

import asyncio
import hmac
import logging
import time
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts.book import Book, KeyRecord
from app.accounts.load import changed_since, load, read_version, reload
from app.accounts.subjects import DEFAULT_KEY, DEFAULT_TENANT
from app.accounts.tokens import MAX_KEY_CHARS, BatchTokens, KeyHasher
from app.accounts.types import Caller
from app.clock import now_ms
from app.config import AccountsConfig, Secrets
from app.config.secrets import BATCH_PREFIX
from app.errors import BatchTokenExpired, PermissionDenied, Unauthenticated, Unavailable
from app.sql.boundary import foreign_errors

logger = logging.getLogger(__name__)

REFRESH_TIMEOUT_S = 30.0


class Directory:
    """Answers from memory; `follow` keeps that up to date.

    The API key of `Secrets` needs no row in the database: it is key `default` of tenant `default`. What is
    set for these two in the database applies to it.
    """

    def __init__(self, secrets: Secrets, engine: AsyncEngine, config: AccountsConfig) -> None:
        """`engine`: one of its own (a connection is enough), so that no report makes a revocation wait."""
        self._hasher = KeyHasher(secrets)
        self._tokens = BatchTokens(secrets)
        self._default = KeyRecord(DEFAULT_KEY, DEFAULT_TENANT, self._hasher.digest(secrets.api_key))
        self._admin_digest = self._hasher.digest(secrets.admin_key)
        self._engine = engine
        self._config = config
        self._book: Book | None = None
        self._believed_until = 0.0  # monotonic seconds
        self._seen: int | None = None  # version in the book; None: everything must be loaded
        self._refreshing = asyncio.Lock()

    def authenticate(self, authorization: str | None, api_key: str | None = None) -> Caller:
        """The caller behind an `Authorization` or, without one, an `x-api-key` header.

        Raises Unauthenticated, and Unavailable while the database has been away for too long to tell.
        """
        secret = _secret(authorization, api_key)
        if secret.startswith(BATCH_PREFIX):
            return self._caller_of_batch(secret)
        digest = self._hasher.digest(secret)
        if hmac.compare_digest(digest, self._default.digest):
            # Its limits and budgets are in the book, so it does not go without one either.
            return self._any_book().caller(self._default)
        book = self._fresh_book()
        record = book.find(digest)
        if record is None:
            raise Unauthenticated("This API key is not valid.")
        _check_state(record)
        if not hmac.compare_digest(digest, record.digest) and now_ms() >= (record.previous_until_ms or 0):
            raise Unauthenticated("This API key was rotated; use the new one.")
        return book.caller(record)

    def authenticate_admin(self, authorization: str | None, api_key: str | None = None) -> None:
        """Return for the admin key. Raises PermissionDenied for another valid key, and as `authenticate`."""
        digest = self._hasher.digest(_secret(authorization, api_key))
        if not hmac.compare_digest(digest, self._admin_digest):
            self.authenticate(authorization, api_key)
            raise PermissionDenied("This API key may not administer the stack; use the admin key.")

    def use(self, book: Book) -> None:
        """Answer from this book, as from one that was just loaded."""
        self._book = book
        self._believed_until = time.monotonic() + self._config.max_stale_s

    async def refresh(self) -> None:
        """Take in what has changed. Raises Unavailable."""
        async with self._refreshing:
            asked = time.monotonic()
            seen, self._seen = self._seen, None  # if this fails, the next one takes no shortcut
            with foreign_errors():
                async with asyncio.timeout(REFRESH_TIMEOUT_S), self._engine.connect() as connection:
                    version = await read_version(connection)
                    if self._book is None or seen is None:
                        self._book = await load(connection)
                    elif version != seen:
                        subjects = await changed_since(connection, seen, version)
                        if subjects is None:
                            self._book = await load(connection)
                        else:
                            await reload(connection, self._book, subjects)
            self._seen = version
            self._believed_until = asked + self._config.max_stale_s

    async def follow(self) -> None:
        """Refresh for ever, through failures."""
        away = False
        while True:
            try:
                await self.refresh()
                away = False
            except Unavailable as error:
                if not away:
                    logger.warning("keys are not refreshed: %s", type(error.__cause__).__name__)
                away = True
            except Exception as error:
                logger.error("refreshing keys failed: %s", type(error).__name__, exc_info=error)
            await asyncio.sleep(self._config.refresh_s)

    def _caller_of_batch(self, token: str) -> Caller:
        grant = self._tokens.read(token)
        if grant is None:
            raise Unauthenticated("This batch token is not valid.")
        if time.time() >= grant.expires_s:
            raise BatchTokenExpired("This batch token has expired.")
        book, record = self._any_book(), self._default
        if grant.key_id != DEFAULT_KEY:
            book = self._fresh_book()
            found = book.key(grant.key_id)
            if found is None or found.tenant != grant.tenant:
                raise Unauthenticated("The key of this batch does not exist any more.")
            _check_state(found)
            record = found
        return replace(book.caller(record), batch=grant.batch)

    def _any_book(self) -> Book:
        if self._book is None:
            raise Unavailable("Keys have not been loaded yet.", retry_after_s=1)
        return self._book

    def _fresh_book(self) -> Book:
        book = self._any_book()
        if time.monotonic() > self._believed_until:
            raise Unavailable("The accounts database is away; keys cannot be checked.", retry_after_s=5)
        return book


def _secret(authorization: str | None, api_key: str | None) -> str:
    secret = api_key or ""
    if authorization is not None:
        scheme, _, rest = authorization.partition(" ")
        secret = rest if scheme.lower() == "bearer" else ""
    secret = secret.strip()
    if not secret:
        raise Unauthenticated("No API key. Send it as 'Authorization: Bearer <key>'.")
    if len(secret) > MAX_KEY_CHARS:
        raise Unauthenticated("This API key is not valid.")
    return secret


def _check_state(record: KeyRecord) -> None:
    now = now_ms()
    if record.revoked_ms is not None and now >= record.revoked_ms:
        raise Unauthenticated("This API key was revoked.")
    if record.expires_ms is not None and now >= record.expires_ms:
        raise Unauthenticated("This API key has expired.")
