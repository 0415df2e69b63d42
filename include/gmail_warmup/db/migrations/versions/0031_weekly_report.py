"""links to a weekly report, and weekly reports as alerts

Revision: 0031
Follows: 0030
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_KINDS = "'changes', 'incident', 'digest', 'health', 'not_working'"


def upgrade() -> None:
    op.create_table(
        "report_link",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("scope_kind", sa.Text(), nullable=False),
        sa.Column("scope_name", sa.Text(), nullable=False),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_link")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_report_link_token_hash")),
        sa.CheckConstraint("scope_kind IN ('fleet', 'domain', 'tag')", name=op.f("ck_report_link_scope_kind")),
        sa.CheckConstraint(
            "expires_at BETWEEN '1900-01-01 00:00+00' AND '3000-01-01 00:00+00'",
            name=op.f("ck_report_link_expires_at"),
        ),
        schema=_SCHEMA,
    )
    _replace_check(f"{_KINDS}, 'weekly_report'")


def downgrade() -> None:
    op.execute("DELETE FROM gmail_warmup.alert WHERE kind = 'weekly_report'")
    _replace_check(_KINDS)
    op.drop_table("report_link", schema=_SCHEMA)


def _replace_check(kinds: str) -> None:
    name = op.f("ck_alert_kind")
    op.drop_constraint(name, "alert", schema=_SCHEMA)
    op.create_check_constraint(name, "alert", f"kind IN ({kinds})", schema=_SCHEMA)
