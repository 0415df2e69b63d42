"""the owner and the tags of a mailbox

Revision: 0027
Follows: 0026
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"


def upgrade() -> None:
    op.add_column("mailbox", sa.Column("owner_email", sa.Text(), nullable=True), schema=_SCHEMA)
    op.create_check_constraint(
        op.f("ck_mailbox_owner_email"),
        "mailbox",
        "owner_email = lower(owner_email) AND length(owner_email) <= 254",
        schema=_SCHEMA,
    )
    op.create_index(
        "ix_mailbox_owner_email_id",
        "mailbox",
        ["owner_email", "id"],
        schema=_SCHEMA,
        postgresql_where=sa.text("owner_email IS NOT NULL"),
    )
    op.create_table(
        "mailbox_tag",
        sa.Column("mailbox_id", sa.BigInteger(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.CheckConstraint("length(tag) BETWEEN 1 AND 50", name=op.f("ck_mailbox_tag_tag")),
        sa.ForeignKeyConstraint(
            ["mailbox_id"],
            [f"{_SCHEMA}.mailbox.id"],
            name=op.f("fk_mailbox_tag_mailbox_id_mailbox"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("mailbox_id", "tag", name=op.f("pk_mailbox_tag")),
        schema=_SCHEMA,
    )
    op.create_index("ix_mailbox_tag_tag_mailbox_id", "mailbox_tag", ["tag", "mailbox_id"], schema=_SCHEMA)


def downgrade() -> None:
    op.drop_table("mailbox_tag", schema=_SCHEMA)
    op.drop_index("ix_mailbox_owner_email_id", table_name="mailbox", schema=_SCHEMA)
    op.drop_column("mailbox", "owner_email", schema=_SCHEMA)
