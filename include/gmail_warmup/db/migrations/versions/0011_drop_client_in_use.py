"""drop the cached OAuth client: tasks read it from its Connection

Revision: 0011
Follows: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"


def upgrade() -> None:
    op.drop_table("client_in_use", schema=_SCHEMA)


def downgrade() -> None:
    # The table is a cache: the former version fills it when it plans a run.
    op.create_table(
        "client_in_use",
        sa.Column("id", sa.SmallInteger(), server_default="1", autoincrement=False, nullable=False),
        sa.Column("ciphertext", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_client_in_use_only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_in_use")),
        schema=_SCHEMA,
    )
