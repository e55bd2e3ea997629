"""The tables. Times are milliseconds since the epoch, money is nano-dollars, both whole numbers.

A change here needs a migration: `python -m app.sql.revise "what changes"` drafts it (a test compares the two).
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

NAME, ID, TEXT = String(128), String(64), String(256)

tenants = Table(
    "tenants",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("name", TEXT, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

customers = Table(
    "customers",
    metadata,
    Column("tenant", NAME, primary_key=True),
    Column("id", NAME, primary_key=True),
    Column("name", TEXT, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
)

keys = Table(
    "keys",
    metadata,
    Column("id", ID, primary_key=True),
    Column("tenant", NAME, nullable=False),
    Column("customer", NAME),
    Column("name", TEXT, nullable=False),
    Column("digest", LargeBinary(32), nullable=False, unique=True),  # keyed BLAKE2b of the key
    Column("hint", String(32), nullable=False),  # what may be shown: prefix and last four characters
    Column("models", JSON),  # names it may ask for; null: all
    Column("groups", JSON),  # whose documents it sees, beside those that are everybody's of its tenant
    Column("metadata", JSON, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("revoked_ms", BigInteger),
    # What the key was before it was rotated, and until when that is still accepted.
    Column("previous_digest", LargeBinary(32), unique=True),
    Column("previous_until_ms", BigInteger),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
    ForeignKeyConstraint(["tenant", "customer"], ["customers.tenant", "customers.id"]),
    Index(None, "tenant"),
)

# `subject` as in app.accounts.types: key:<id>, customer:<tenant>/<id>, tenant:<id>, model:<tenant|*>/<name>.
limits = Table(
    "limits",
    metadata,
    Column("subject", String(300), primary_key=True),
    Column("scope", String(16), nullable=False),
    Column("requests_per_minute", Integer),
    Column("tokens_per_minute", BigInteger),
    Column("concurrent_requests", Integer),
)

budgets = Table(
    "budgets",
    metadata,
    Column("id", ID, primary_key=True),
    Column("subject", String(300), nullable=False),
    Column("scope", String(16), nullable=False),
    Column("amount_nano", BigInteger, nullable=False),
    Column("period", String(16), nullable=False),
    Column("window_s", Integer),
    Column("created_ms", BigInteger, nullable=False),
    Index(None, "subject"),
)

# One row. Raised in the transaction of every change to what a caller is; ingress processes ask for it.
directory_version = Table(
    "directory_version",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", BigInteger, nullable=False),
)

# What each version changed, so that a change costs the same however many keys there are: `key:<id>` or
# the subject of a limit or budget. Only the latest are kept; who is further behind loads everything.
directory_changes = Table(
    "directory_changes",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", String(300), primary_key=True),
)

usage = Table(
    "usage",
    metadata,
    Column("id", ID, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("request_id", NAME, nullable=False),
    Column("tenant", NAME, nullable=False),
    Column("key_id", ID, nullable=False),
    Column("customer", NAME),
    Column("operation", String(32), nullable=False),
    Column("requested_model", TEXT, nullable=False),
    Column("model", TEXT, nullable=False),
    Column("provider", NAME, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("error", NAME),
    Column("cache", String(16), nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cost_nano", BigInteger, nullable=False),
    Column("overrun_nano", BigInteger, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("batch", ID),
    Index(None, "tenant", "at_ms"),
    Index(None, "key_id", "at_ms"),
    Index(None, "model", "at_ms"),
    Index(None, "at_ms"),
)

files = Table(
    "files",
    metadata,
    Column("id", ID, primary_key=True),
    Column("tenant", NAME, nullable=False),
    Column("customer", NAME),
    Column("key_id", ID, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("deleted_ms", BigInteger),
    Index(None, "tenant", "created_ms"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", ID, primary_key=True),
    Column("tenant", NAME, nullable=False),
    Column("customer", NAME),
    Column("key_id", ID, nullable=False),
    Column("endpoint", String(64), nullable=False),
    Column("input_file", ID, nullable=False),
    Column("output_file", ID),
    Column("error_file", ID),
    Column("status", String(16), nullable=False),
    Column("errors", JSON),
    Column("metadata", JSON),
    Column("job", String(128)),
    Column("total", Integer, nullable=False),
    Column("completed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("started_ms", BigInteger),
    Column("finalizing_ms", BigInteger),
    Column("ended_ms", BigInteger),
    Column("cancelling_ms", BigInteger),
    Column("expires_ms", BigInteger, nullable=False),
    Index(None, "tenant", "created_ms"),
)

# Texts of the following tables are what the guard left of them; `end_user` is a keyed hash (app/memory/tags.py),
# `policy` identifies the guard's policy that a text has passed.
conversations = Table(
    "conversations",
    metadata,
    Column("tenant", NAME, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("customer", NAME),
    Column("end_user", ID),
    Column("metadata", JSON, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("next_position", Integer, nullable=False),
    Column("summary", Text, nullable=False),
    Column("summary_upto", Integer, nullable=False),  # the first position that it does not tell of
    Column("summary_policy", ID, nullable=False),
    Column("vault", LargeBinary),  # placeholder -> value, encrypted
    Index(None, "tenant", "end_user"),
    Index(None, "expires_ms"),
)

conversation_items = Table(
    "conversation_items",
    metadata,
    Column("tenant", NAME, primary_key=True),
    Column("conversation", ID, primary_key=True),
    Column("id", NAME, primary_key=True),
    Column("position", Integer, nullable=False),  # from 0, in order, with gaps where items were deleted
    Column("role", String(16), nullable=False),
    Column("content", JSON, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("counted_by", TEXT),  # the model whose tokenizer counted them; null: an estimate
    Column("policy", ID, nullable=False),
    Column("vector", LargeBinary),  # of a turn that a summary tells of: float32, little-endian
    Column("created_ms", BigInteger, nullable=False),
    UniqueConstraint("tenant", "conversation", "position"),
    ForeignKeyConstraint(["tenant", "conversation"], ["conversations.tenant", "conversations.id"], ondelete="CASCADE"),
)

memories = Table(
    "memories",
    metadata,
    Column("tenant", NAME, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("customer", NAME),
    Column("end_user", ID, nullable=False),
    Column("text", Text, nullable=False),
    Column("vault", LargeBinary),  # as of conversations
    Column("vector", LargeBinary, nullable=False),
    Column("policy", ID, nullable=False),
    Column("conversation", ID),  # where it was said
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index(None, "tenant", "end_user", "updated_ms"),
    Index(None, "updated_ms"),
)

# What was erased of late: its traces are deleted, and nothing that was under way then may come after.
erasures = Table(
    "erasures",
    metadata,
    Column("id", ID, primary_key=True),
    Column("tenant", NAME, nullable=False),
    Column("tag", ID, nullable=False),  # of traces
    Column("value", NAME, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Index(None, "tenant", "tag", "value"),
    Index(None, "due_ms"),
)
