"""Who may ask, and how it is counted: the database of keys and usage, and the ledger."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from app.config.settings import Count, Milliseconds, Seconds, Settings

VALKEY_SCHEMES = ("redis://", "rediss://", "valkey://", "valkeys://", "unix://")
BEATS_IN_A_LEASE = 3  # one that is late, and one that is lost, cost nobody a reservation
SQL_SCHEMES = ("postgresql://", "postgresql+asyncpg://", "sqlite:///", "sqlite+aiosqlite:///")


class AccountsConfig(Settings):
    """Tenants, customers, keys, usage and batches: an SQL database."""

    url: str | None = Field(
        None,
        repr=False,  # it may hold a password
        description="postgresql://user:password@host/db; absent, an SQLite file in `home`.",
    )
    refresh_s: Seconds = Field(
        1,
        description="How often each ingress process asks for changes to keys; a revocation is effective after it. "
        "Below max_stale_s.",
    )
    max_stale_s: Seconds = Field(
        60, description="A database that cannot be asked for this long: keys are no longer believed, 503."
    )

    @field_validator("url")
    @classmethod
    def _scheme(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(SQL_SCHEMES):
            raise ValueError(f"must start with one of {', '.join(SQL_SCHEMES)}")
        return url

    @model_validator(mode="after")
    def _refreshed_while_believed(self) -> Self:
        if self.refresh_s >= self.max_stale_s:
            raise ValueError(
                f"refresh_s ({self.refresh_s:g}) is not below max_stale_s ({self.max_stale_s:g}): all keys would be "
                "refused between two refreshes; set refresh_s lower, or max_stale_s higher"
            )
        return self


class LedgerConfig(Settings):
    """Limits and budgets: reserved before a call, settled after it, in Valkey; usage rows in SQL."""

    url: str | None = Field(
        None,
        repr=False,  # it may hold a password
        description="redis://, rediss:// or valkey:// server of the counters; absent, the cache's (`cache.url`), or "
        "the Valkey inside the application. It must not evict keys without an expiry.",
    )
    lease_s: Seconds = Field(
        5, description="A reservation whose ingress process has been silent this long is settled by another one."
    )
    heartbeat_s: Seconds = Field(
        1,
        description="How often a process renews its reservations and tells their cost; at most a third of lease_s.",
    )
    timeout_ms: Milliseconds = Field(2000, description="A counter store that is slower than this has failed.")
    on_store_failure: Literal["closed", "open"] = Field(
        "closed",
        description="When limits or budgets cannot be checked: refuse with 503 (closed) or let pass unchecked (open).",
    )
    commit_window_ms: float = Field(
        0, ge=0, le=100, description="Usage rows are collected this long for one commit; 0: while one is under way."
    )
    max_spooled_rows: Count = Field(
        100_000, description="Usage rows kept in a file while the database is away; past that requests are refused."
    )

    @field_validator("url")
    @classmethod
    def _scheme(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(VALKEY_SCHEMES):
            raise ValueError(f"must start with one of {', '.join(VALKEY_SCHEMES)}")
        return url

    @model_validator(mode="after")
    def _renewed_in_time(self) -> Self:
        # The reaper rests while its own last beat is older than a lease: with longer beats nobody would be reaped.
        if round(BEATS_IN_A_LEASE * self.heartbeat_s - self.lease_s, 9) > 0:
            raise ValueError(
                f"heartbeat_s ({self.heartbeat_s:g}) is above a third of lease_s ({self.lease_s:g}); set heartbeat_s "
                f"to at most {self.lease_s / BEATS_IN_A_LEASE:.3g}, or lease_s to at least "
                f"{BEATS_IN_A_LEASE * self.heartbeat_s:g}"
            )
        return self
