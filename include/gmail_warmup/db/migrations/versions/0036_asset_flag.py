"""what the assets last reported about a mailbox

Revision: 0036
Follows: 0035
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"


def upgrade() -> None:
    op.create_table(
        "asset_flag",
        sa.Column("mailbox_id", sa.BigInteger(), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["mailbox_id"],
            [f"{_SCHEMA}.mailbox.id"],
            name=op.f("fk_asset_flag_mailbox_id_mailbox"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("mailbox_id", name=op.f("pk_asset_flag")),
        schema=_SCHEMA,
    )
    # Those whose last reported change was that they were flagged.
    op.execute(
        "INSERT INTO gmail_warmup.asset_flag (mailbox_id) SELECT mailbox_id FROM ("
        " SELECT DISTINCT ON (i.mailbox_id) i.mailbox_id, e.to_state FROM gmail_warmup.alert_item i"
        " JOIN gmail_warmup.grant_event e ON e.id = i.event_id WHERE i.alert_id IS NOT NULL"
        " ORDER BY i.mailbox_id, e.id DESC) last WHERE to_state <> 'active'"
    )


def downgrade() -> None:
    op.drop_table("asset_flag", schema=_SCHEMA)
