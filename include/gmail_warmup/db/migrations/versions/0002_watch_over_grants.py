"""what watches over the grants

Revision: 0002
Follows: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('changes', 'incident', 'digest')", name=op.f("ck_alert_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
        schema="gmail_warmup",
    )
    op.create_index(
        "ix_alert_unsent",
        "alert",
        ["created_at"],
        unique=False,
        schema="gmail_warmup",
        postgresql_where=sa.text("sent_at IS NULL"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("healthy", sa.Integer(), nullable=False),
        sa.Column("report", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sa.UniqueConstraint("run_id", name=op.f("uq_audit_run_id")),
        schema="gmail_warmup",
    )
    op.create_table(
        "breaker",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_mailbox_id", sa.BigInteger(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("quiet_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("quiet_seconds", sa.Integer(), server_default="0", nullable=False),
        sa.Column("probe_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pace", sa.Float(), nullable=True),
        sa.Column("pace_limited", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("pace_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_breaker")),
        schema="gmail_warmup",
    )
    op.create_table(
        "canary",
        sa.Column("id", sa.SmallInteger(), server_default="1", autoincrement=False, nullable=False),
        sa.Column("ciphertext", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_canary_only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canary")),
        schema="gmail_warmup",
    )
    op.create_table(
        "incident",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_alert_id", sa.BigInteger(), nullable=True),
        sa.Column("closed_alert_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('app_error', 'outage', 'mass_refusal', 'unreadable')", name=op.f("ck_incident_kind")
        ),
        sa.ForeignKeyConstraint(
            ["closed_alert_id"],
            ["gmail_warmup.alert.id"],
            name=op.f("fk_incident_closed_alert_id_alert"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["opened_alert_id"],
            ["gmail_warmup.alert.id"],
            name=op.f("fk_incident_opened_alert_id_alert"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
        schema="gmail_warmup",
    )
    op.create_index(
        "uq_incident_open",
        "incident",
        ["kind", "key"],
        unique=True,
        schema="gmail_warmup",
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "alert_item",
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("mailbox_id", sa.BigInteger(), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=True),
        sa.Column("alert_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["gmail_warmup.alert.id"], name=op.f("fk_alert_item_alert_id_alert"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["gmail_warmup.grant_event.id"],
            name=op.f("fk_alert_item_event_id_grant_event"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"],
            ["gmail_warmup.incident.id"],
            name=op.f("fk_alert_item_incident_id_incident"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["mailbox_id"],
            ["gmail_warmup.mailbox.id"],
            name=op.f("fk_alert_item_mailbox_id_mailbox"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_alert_item")),
        schema="gmail_warmup",
    )
    op.create_index("ix_alert_item_mailbox_id", "alert_item", ["mailbox_id"], unique=False, schema="gmail_warmup")
    op.create_index(
        "ix_alert_item_untold",
        "alert_item",
        ["event_id"],
        unique=False,
        schema="gmail_warmup",
        postgresql_where=sa.text("alert_id IS NULL"),
    )
    op.create_index(
        "ix_grant_event_run_id",
        "grant_event",
        ["run_id"],
        unique=False,
        schema="gmail_warmup",
        postgresql_where=sa.text("run_id IS NOT NULL"),
    )
    op.add_column("oauth_grant", sa.Column("incident_id", sa.BigInteger(), nullable=True), schema="gmail_warmup")
    op.create_foreign_key(
        op.f("fk_oauth_grant_incident_id_incident"),
        "oauth_grant",
        "incident",
        ["incident_id"],
        ["id"],
        source_schema="gmail_warmup",
        referent_schema="gmail_warmup",
        ondelete="SET NULL",
    )


def downgrade() -> None:
    op.drop_constraint(
        op.f("fk_oauth_grant_incident_id_incident"), "oauth_grant", schema="gmail_warmup", type_="foreignkey"
    )
    op.drop_column("oauth_grant", "incident_id", schema="gmail_warmup")
    op.drop_index(
        "ix_grant_event_run_id",
        table_name="grant_event",
        schema="gmail_warmup",
        postgresql_where=sa.text("run_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_alert_item_untold",
        table_name="alert_item",
        schema="gmail_warmup",
        postgresql_where=sa.text("alert_id IS NULL"),
    )
    op.drop_index("ix_alert_item_mailbox_id", table_name="alert_item", schema="gmail_warmup")
    op.drop_table("alert_item", schema="gmail_warmup")
    op.drop_index(
        "uq_incident_open", table_name="incident", schema="gmail_warmup", postgresql_where=sa.text("closed_at IS NULL")
    )
    op.drop_table("incident", schema="gmail_warmup")
    op.drop_table("canary", schema="gmail_warmup")
    op.drop_table("breaker", schema="gmail_warmup")
    op.drop_table("audit", schema="gmail_warmup")
    op.drop_index(
        "ix_alert_unsent", table_name="alert", schema="gmail_warmup", postgresql_where=sa.text("sent_at IS NULL")
    )
    op.drop_table("alert", schema="gmail_warmup")
