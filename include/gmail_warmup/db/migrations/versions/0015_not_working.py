"""mailboxes whose tasks keep failing

Revision: 0015
Follows: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_TIME = sa.DateTime(timezone=True)
_ALERTS = "kind IN ('changes', 'incident', 'digest', 'health'{})"


def upgrade() -> None:
    op.create_table(
        "mailbox_failure",
        sa.Column("mailbox_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("last_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("not_working_at", _TIME, nullable=False),
        sa.Column("failures", sa.Integer(), server_default="1", nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.Column("alert_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("mailbox_id", name=op.f("pk_mailbox_failure")),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], [f"{_SCHEMA}.mailbox.id"], name=op.f("fk_mailbox_failure_mailbox_id_mailbox"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["alert_id"], [f"{_SCHEMA}.alert.id"], name=op.f("fk_mailbox_failure_alert_id_alert"), ondelete="SET NULL"
        ),
        schema=_SCHEMA,
    )  # fmt: skip
    _set_alert_kinds(", 'not_working'")


def downgrade() -> None:
    op.drop_table("mailbox_failure", schema=_SCHEMA)
    op.execute("DELETE FROM gmail_warmup.alert WHERE kind = 'not_working'")
    _set_alert_kinds("")


def _set_alert_kinds(more: str) -> None:
    op.drop_constraint(op.f("ck_alert_kind"), "alert", schema=_SCHEMA, type_="check")
    op.create_check_constraint(op.f("ck_alert_kind"), "alert", _ALERTS.format(more), schema=_SCHEMA)
