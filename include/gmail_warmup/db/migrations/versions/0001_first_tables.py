"""first tables

Revision: 0001
Follows: nothing
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS gmail_warmup")
    op.create_table(
        "mailbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("auth", sa.Text(), server_default="grant", nullable=False),
        sa.Column("display_name", sa.Text(), nullable=True),
        sa.Column("daily_target", sa.SmallInteger(), server_default="50", nullable=False),
        sa.Column("open_rate", sa.SmallInteger(), server_default="80", nullable=False),
        sa.Column("reply_rate", sa.SmallInteger(), server_default="55", nullable=False),
        sa.Column("timezone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("label_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_by", sa.Text(), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("resumed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deferred_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deferred_reason", sa.Text(), nullable=True),
        sa.Column("lease_holder", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("auth IN ('grant', 'delegated')", name=op.f("ck_mailbox_auth")),
        sa.CheckConstraint("kind IN ('warmup', 'pool')", name=op.f("ck_mailbox_kind")),
        sa.CheckConstraint("address = lower(address)", name=op.f("ck_mailbox_address_lower")),
        sa.CheckConstraint("daily_target BETWEEN 1 AND 2000", name=op.f("ck_mailbox_daily_target")),
        sa.CheckConstraint("open_rate BETWEEN 0 AND 100", name=op.f("ck_mailbox_open_rate")),
        sa.CheckConstraint("reply_rate BETWEEN 0 AND 100", name=op.f("ck_mailbox_reply_rate")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailbox")),
        sa.UniqueConstraint("address", name=op.f("uq_mailbox_address")),
        schema="gmail_warmup",
    )
    op.create_table(
        "consent",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("state_hash", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("mailbox_id", sa.BigInteger(), nullable=True),
        sa.Column("mailbox_settings", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("code_verifier", sa.Text(), nullable=False),
        sa.Column("airflow_user", sa.Text(), nullable=False),
        sa.Column("browser_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.CheckConstraint("purpose IN ('add', 'reauth')", name=op.f("ck_consent_purpose")),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["gmail_warmup.mailbox.id"], name=op.f("fk_consent_mailbox_id_mailbox"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
        sa.UniqueConstraint("state_hash", name=op.f("uq_consent_state_hash")),
        schema="gmail_warmup",
    )
    op.create_table(
        "grant_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("mailbox_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("dag_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["mailbox_id"],
            ["gmail_warmup.mailbox.id"],
            name=op.f("fk_grant_event_mailbox_id_mailbox"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grant_event")),
        schema="gmail_warmup",
    )
    op.create_index(
        "ix_grant_event_mailbox_id_at", "grant_event", ["mailbox_id", "at"], unique=False, schema="gmail_warmup"
    )
    op.create_table(
        "ledger",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("sender_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("turn", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("local_date", sa.Date(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), server_default="claimed", nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("draft_id", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("rfc_message_id", sa.Text(), nullable=True),
        sa.Column("gmail_id", sa.Text(), nullable=True),
        sa.Column("thread_id", sa.Text(), nullable=True),
        sa.Column("locate_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("placement", sa.Text(), nullable=True),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recipient_gmail_id", sa.Text(), nullable=True),
        sa.Column("recipient_thread_id", sa.Text(), nullable=True),
        sa.Column("rescue_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rescued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("important", sa.Boolean(), nullable=True),
        sa.Column("reply_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("collected_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "placement IN ('inbox', 'spam', 'promotions', 'social', 'updates', 'forums', "
            "'trash', 'archive', 'missing')",
            name=op.f("ck_ledger_placement"),
        ),
        sa.CheckConstraint("status IN ('claimed', 'drafted', 'sent', 'failed')", name=op.f("ck_ledger_status")),
        sa.CheckConstraint("(slot IS NULL) = (parent_id IS NOT NULL)", name=op.f("ck_ledger_slot_or_parent")),
        sa.CheckConstraint("sender_id <> recipient_id", name=op.f("ck_ledger_two_mailboxes")),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["gmail_warmup.ledger.id"], name=op.f("fk_ledger_parent_id_ledger"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["recipient_id"],
            ["gmail_warmup.mailbox.id"],
            name=op.f("fk_ledger_recipient_id_mailbox"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["sender_id"], ["gmail_warmup.mailbox.id"], name=op.f("fk_ledger_sender_id_mailbox"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger")),
        sa.UniqueConstraint("parent_id", name=op.f("uq_ledger_parent_id")),
        sa.UniqueConstraint("sender_id", "local_date", "slot", name=op.f("uq_ledger_sender_id_local_date_slot")),
        sa.UniqueConstraint("token", name=op.f("uq_ledger_token")),
        schema="gmail_warmup",
    )
    op.create_index(
        "ix_ledger_recipient_id_claimed_at",
        "ledger",
        ["recipient_id", "claimed_at"],
        unique=False,
        schema="gmail_warmup",
    )
    op.create_index(
        "ix_ledger_sender_id_local_date", "ledger", ["sender_id", "local_date"], unique=False, schema="gmail_warmup"
    )
    op.create_index(
        "ix_ledger_unanswered",
        "ledger",
        ["recipient_id", "reply_due_at"],
        unique=False,
        schema="gmail_warmup",
        postgresql_where=sa.text("reply_due_at IS NOT NULL AND replied_at IS NULL"),
    )
    op.create_index(
        "ix_ledger_uncollected",
        "ledger",
        ["recipient_id", "locate_due_at"],
        unique=False,
        schema="gmail_warmup",
        postgresql_where=sa.text("status = 'sent' AND parent_id IS NOT NULL AND collected_at IS NULL"),
    )
    op.create_index(
        "ix_ledger_unplaced",
        "ledger",
        ["recipient_id", "locate_due_at"],
        unique=False,
        schema="gmail_warmup",
        postgresql_where=sa.text("status = 'sent' AND parent_id IS NULL AND placement IS NULL"),
    )
    op.create_index(
        "ix_ledger_unread",
        "ledger",
        ["recipient_id", "read_due_at"],
        unique=False,
        schema="gmail_warmup",
        postgresql_where=sa.text("read_due_at IS NOT NULL AND read_at IS NULL"),
    )
    op.create_index(
        "ix_ledger_unrescued",
        "ledger",
        ["recipient_id", "rescue_due_at"],
        unique=False,
        schema="gmail_warmup",
        postgresql_where=sa.text("rescue_due_at IS NOT NULL AND rescued_at IS NULL"),
    )
    op.create_index(
        "ix_ledger_unsent",
        "ledger",
        ["sender_id"],
        unique=False,
        schema="gmail_warmup",
        postgresql_where=sa.text("status IN ('claimed', 'drafted')"),
    )
    op.create_table(
        "oauth_grant",
        sa.Column("mailbox_id", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("refresh_token", sa.Text(), nullable=True),
        sa.Column("refresh_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("access_token", sa.Text(), nullable=True),
        sa.Column("access_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("state", sa.Text(), server_default="needs_reauth", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("next_probe_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_holder", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('active', 'suspect', 'needs_reauth', 'blocked_by_admin', 'account_deleted', 'disabled')",
            name=op.f("ck_oauth_grant_state"),
        ),
        sa.ForeignKeyConstraint(
            ["mailbox_id"],
            ["gmail_warmup.mailbox.id"],
            name=op.f("fk_oauth_grant_mailbox_id_mailbox"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("mailbox_id", name=op.f("pk_oauth_grant")),
        schema="gmail_warmup",
    )
    op.create_index(
        "ix_oauth_grant_state", "oauth_grant", ["state", "next_probe_at"], unique=False, schema="gmail_warmup"
    )


def downgrade() -> None:
    op.drop_index("ix_oauth_grant_state", table_name="oauth_grant", schema="gmail_warmup")
    op.drop_table("oauth_grant", schema="gmail_warmup")
    op.drop_index(
        "ix_ledger_unsent",
        table_name="ledger",
        schema="gmail_warmup",
        postgresql_where=sa.text("status IN ('claimed', 'drafted')"),
    )
    op.drop_index(
        "ix_ledger_unrescued",
        table_name="ledger",
        schema="gmail_warmup",
        postgresql_where=sa.text("rescue_due_at IS NOT NULL AND rescued_at IS NULL"),
    )
    op.drop_index(
        "ix_ledger_unread",
        table_name="ledger",
        schema="gmail_warmup",
        postgresql_where=sa.text("read_due_at IS NOT NULL AND read_at IS NULL"),
    )
    op.drop_index(
        "ix_ledger_unplaced",
        table_name="ledger",
        schema="gmail_warmup",
        postgresql_where=sa.text("status = 'sent' AND parent_id IS NULL AND placement IS NULL"),
    )
    op.drop_index(
        "ix_ledger_uncollected",
        table_name="ledger",
        schema="gmail_warmup",
        postgresql_where=sa.text("status = 'sent' AND parent_id IS NOT NULL AND collected_at IS NULL"),
    )
    op.drop_index(
        "ix_ledger_unanswered",
        table_name="ledger",
        schema="gmail_warmup",
        postgresql_where=sa.text("reply_due_at IS NOT NULL AND replied_at IS NULL"),
    )
    op.drop_index("ix_ledger_sender_id_local_date", table_name="ledger", schema="gmail_warmup")
    op.drop_index("ix_ledger_recipient_id_claimed_at", table_name="ledger", schema="gmail_warmup")
    op.drop_table("ledger", schema="gmail_warmup")
    op.drop_index("ix_grant_event_mailbox_id_at", table_name="grant_event", schema="gmail_warmup")
    op.drop_table("grant_event", schema="gmail_warmup")
    op.drop_table("consent", schema="gmail_warmup")
    op.drop_table("mailbox", schema="gmail_warmup")
