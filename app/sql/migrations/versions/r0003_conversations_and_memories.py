"""conversations and memories"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("customer", sa.String(length=128), nullable=True),
        sa.Column("end_user", sa.String(length=64), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("next_position", sa.Integer(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("summary_upto", sa.Integer(), nullable=False),
        sa.Column("summary_policy", sa.String(length=64), nullable=False),
        sa.Column("vault", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_conversations")),
    )
    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_conversations_expires_ms"), ["expires_ms"], unique=False)
        batch_op.create_index(batch_op.f("ix_conversations_tenant_end_user"), ["tenant", "end_user"], unique=False)

    op.create_table(
        "erasures",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("tag", sa.String(length=64), nullable=False),
        sa.Column("value", sa.String(length=128), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    with op.batch_alter_table("erasures", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_erasures_due_ms"), ["due_ms"], unique=False)
        batch_op.create_index(batch_op.f("ix_erasures_tenant_tag_value"), ["tenant", "tag", "value"], unique=False)

    op.create_table(
        "memories",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("customer", sa.String(length=128), nullable=True),
        sa.Column("end_user", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("vault", sa.LargeBinary(), nullable=True),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("policy", sa.String(length=64), nullable=False),
        sa.Column("conversation", sa.String(length=64), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_memories")),
    )
    with op.batch_alter_table("memories", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_memories_tenant_end_user_updated_ms"), ["tenant", "end_user", "updated_ms"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_memories_updated_ms"), ["updated_ms"], unique=False)

    op.create_table(
        "conversation_items",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("conversation", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("counted_by", sa.String(length=256), nullable=True),
        sa.Column("policy", sa.String(length=64), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "conversation"],
            ["conversations.tenant", "conversations.id"],
            name=op.f("fk_conversation_items_tenant_conversation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "conversation", "id", name=op.f("pk_conversation_items")),
        sa.UniqueConstraint(
            "tenant", "conversation", "position", name=op.f("uq_conversation_items_tenant_conversation_position")
        ),
    )
