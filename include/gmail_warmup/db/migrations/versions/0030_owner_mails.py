"""mails to owners, and alerts for receivers that are limited to tags or owners

Revision: 0030
Follows: 0029
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"


def upgrade() -> None:
    op.add_column("alert", sa.Column("audience", sa.Text(), nullable=True), schema=_SCHEMA)
    op.create_table(
        "owner_mail",
        sa.Column("mailbox_id", sa.BigInteger(), nullable=False),
        sa.Column("owner_email", sa.Text(), nullable=False),
        sa.Column("flagged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mails", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("first_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["mailbox_id"],
            [f"{_SCHEMA}.mailbox.id"],
            name=op.f("fk_owner_mail_mailbox_id_mailbox"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("mailbox_id", name=op.f("pk_owner_mail")),
        schema=_SCHEMA,
    )
    op.create_index("ix_owner_mail_owner_email_sent_at", "owner_mail", ["owner_email", "sent_at"], schema=_SCHEMA)


def downgrade() -> None:
    op.drop_table("owner_mail", schema=_SCHEMA)
    op.execute("DELETE FROM gmail_warmup.alert WHERE audience IS NOT NULL")
    op.drop_column("alert", "audience", schema=_SCHEMA)
