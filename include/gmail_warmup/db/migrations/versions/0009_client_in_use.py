"""the OAuth client in use, known to every task

Revision: 0009
Follows: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"


def upgrade() -> None:
    op.create_table(
        "client_in_use",
        sa.Column("id", sa.SmallInteger(), server_default="1", autoincrement=False, nullable=False),
        sa.Column("ciphertext", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_client_in_use_only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_in_use")),
        schema=_SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("client_in_use", schema=_SCHEMA)
