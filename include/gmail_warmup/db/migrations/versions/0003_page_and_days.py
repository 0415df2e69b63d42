"""what the page shows: domains, invites, and counts by mailbox and day

Revision: 0003
Follows: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_COUNTS = (
    "planned",
    "claimed",
    "sent",
    "failed",
    "inbox",
    "spam",
    "elsewhere",
    "missing",
    "rescued",
    "read",
    "replied",
)

# The days before this revision are counted once, from the ledger; nothing knows any more what was planned for them.
_COUNT_DAYS = """
INSERT INTO gmail_warmup.mailbox_day
    (mailbox_id, local_date, planned, claimed, sent, failed, inbox, spam, elsewhere, missing, rescued, read, replied)
SELECT sender_id, local_date, count(*), count(*), count(*) FILTER (WHERE status = 'sent'),
    count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE placement = 'inbox'),
    count(*) FILTER (WHERE placement = 'spam'),
    count(*) FILTER (WHERE placement NOT IN ('inbox', 'spam', 'missing')),
    count(*) FILTER (WHERE placement = 'missing'), count(rescued_at), count(read_at), count(replied_at)
FROM gmail_warmup.ledger WHERE parent_id IS NULL GROUP BY sender_id, local_date
"""
_COUNT_WARMUP_DAYS = """
UPDATE gmail_warmup.mailbox m SET warmup_days = d.days
FROM (SELECT mailbox_id, count(*) AS days FROM gmail_warmup.mailbox_day WHERE sent > 0 GROUP BY mailbox_id) d
WHERE d.mailbox_id = m.id
"""


def upgrade() -> None:
    op.add_column(
        "mailbox",
        sa.Column("domain", sa.Text(), sa.Computed("split_part(address, '@', 2)", persisted=True), nullable=False),
        schema=_SCHEMA,
    )
    op.add_column("mailbox", sa.Column("warmup_days", sa.Integer(), server_default="0", nullable=False), schema=_SCHEMA)
    op.create_index("ix_mailbox_domain_address", "mailbox", ["domain", "address"], unique=False, schema=_SCHEMA)
    op.create_index(
        "ix_mailbox_paused",
        "mailbox",
        ["address"],
        schema=_SCHEMA,
        postgresql_where=sa.text("paused_at IS NOT NULL"),
    )
    op.create_index(
        "ix_mailbox_warmup_days",
        "mailbox",
        ["warmup_days", "id"],
        schema=_SCHEMA,
        postgresql_where=sa.text("kind = 'warmup'"),
    )
    op.create_index("ix_oauth_grant_since", "oauth_grant", ["since", "mailbox_id"], schema=_SCHEMA)
    op.create_index("ix_oauth_grant_refreshed_at", "oauth_grant", ["refreshed_at", "mailbox_id"], schema=_SCHEMA)
    op.create_index(
        "ix_oauth_grant_refresh_expires_at",
        "oauth_grant",
        ["refresh_expires_at", "mailbox_id"],
        schema=_SCHEMA,
        postgresql_where=sa.text("refresh_expires_at IS NOT NULL"),
    )
    op.create_table(
        "mailbox_day",
        sa.Column("mailbox_id", sa.BigInteger(), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=False),
        *(sa.Column(name, sa.SmallInteger(), server_default="0", nullable=False) for name in _COUNTS),
        sa.ForeignKeyConstraint(
            ["mailbox_id"],
            ["gmail_warmup.mailbox.id"],
            name=op.f("fk_mailbox_day_mailbox_id_mailbox"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("mailbox_id", "local_date", name=op.f("pk_mailbox_day")),
        schema=_SCHEMA,
    )
    op.create_index("ix_mailbox_day_local_date", "mailbox_day", ["local_date"], schema=_SCHEMA)
    op.execute(_COUNT_DAYS)
    op.execute(_COUNT_WARMUP_DAYS)
    op.create_table(
        "invite",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("mailbox_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["gmail_warmup.mailbox.id"], name=op.f("fk_invite_mailbox_id_mailbox"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invite")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invite_token_hash")),
        schema=_SCHEMA,
    )
    op.create_index("ix_invite_mailbox_id", "invite", ["mailbox_id"], unique=False, schema=_SCHEMA)
    # The constraint on sender, date and slot finds a sender's day as well.
    op.drop_index("ix_ledger_sender_id_local_date", table_name="ledger", schema=_SCHEMA)
    op.create_index("ix_ledger_sender_id_claimed_at", "ledger", ["sender_id", "claimed_at"], schema=_SCHEMA)
    op.alter_column("consent", "airflow_user", nullable=True, schema=_SCHEMA)
    op.add_column("consent", sa.Column("invite_id", sa.BigInteger(), nullable=True), schema=_SCHEMA)
    op.create_foreign_key(
        op.f("fk_consent_invite_id_invite"),
        "consent",
        "invite",
        ["invite_id"],
        ["id"],
        source_schema=_SCHEMA,
        referent_schema=_SCHEMA,
        ondelete="CASCADE",
    )
    op.create_check_constraint(
        op.f("ck_consent_user_or_invite"),
        "consent",
        "(airflow_user IS NULL) = (invite_id IS NOT NULL)",
        schema=_SCHEMA,
    )
    op.create_index("ix_consent_mailbox_id", "consent", ["mailbox_id"], unique=False, schema=_SCHEMA)
    op.create_index(
        "ix_consent_invite_id",
        "consent",
        ["invite_id"],
        unique=False,
        schema=_SCHEMA,
        postgresql_where=sa.text("invite_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_consent_invite_id", table_name="consent", schema=_SCHEMA)
    op.drop_index("ix_consent_mailbox_id", table_name="consent", schema=_SCHEMA)
    op.drop_constraint(op.f("ck_consent_user_or_invite"), "consent", schema=_SCHEMA, type_="check")
    # A consent that an invite began has no Airflow user; it is over in minutes and cannot be kept.
    op.execute("DELETE FROM gmail_warmup.consent WHERE airflow_user IS NULL")
    op.drop_constraint(op.f("fk_consent_invite_id_invite"), "consent", schema=_SCHEMA, type_="foreignkey")
    op.drop_column("consent", "invite_id", schema=_SCHEMA)
    op.alter_column("consent", "airflow_user", nullable=False, schema=_SCHEMA)
    op.drop_index("ix_ledger_sender_id_claimed_at", table_name="ledger", schema=_SCHEMA)
    op.create_index("ix_ledger_sender_id_local_date", "ledger", ["sender_id", "local_date"], schema=_SCHEMA)
    op.drop_table("invite", schema=_SCHEMA)
    op.drop_table("mailbox_day", schema=_SCHEMA)
    op.drop_index("ix_oauth_grant_refresh_expires_at", table_name="oauth_grant", schema=_SCHEMA)
    op.drop_index("ix_oauth_grant_refreshed_at", table_name="oauth_grant", schema=_SCHEMA)
    op.drop_index("ix_oauth_grant_since", table_name="oauth_grant", schema=_SCHEMA)
    op.drop_index("ix_mailbox_warmup_days", table_name="mailbox", schema=_SCHEMA)
    op.drop_index("ix_mailbox_paused", table_name="mailbox", schema=_SCHEMA)
    op.drop_index("ix_mailbox_domain_address", table_name="mailbox", schema=_SCHEMA)
    op.drop_column("mailbox", "warmup_days", schema=_SCHEMA)
    op.drop_column("mailbox", "domain", schema=_SCHEMA)
