"""store since when a mailbox is ready, and the number of its cold mails

Revision: 0020
Follows: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_TABLE = "mailbox_readiness"


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("mailbox_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=False),
        sa.Column("cold_mails", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("cold_mails_before", sa.SmallInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", name="pk_mailbox_readiness"),
        sa.ForeignKeyConstraint(
            ["mailbox_id"],
            [f"{_SCHEMA}.mailbox.id"],
            name="fk_mailbox_readiness_mailbox_id_mailbox",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("state IN ('ready', 'warming', 'resting', 'not_ready')", name="ck_mailbox_readiness_state"),
        schema=_SCHEMA,
    )
    op.create_index("ix_mailbox_readiness_state", _TABLE, ["state", "mailbox_id"], schema=_SCHEMA)


def downgrade() -> None:
    op.drop_table(_TABLE, schema=_SCHEMA)
