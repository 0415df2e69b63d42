"""records of the sending domains

Revision: 0006
Follows: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "domain_check",
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("checked_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("bad_code", sa.Text(), nullable=True),
        sa.Column("bad_since", _TIME, nullable=True),
        sa.Column("bad_seen_at", _TIME, nullable=True),
        sa.CheckConstraint("record IN ('spf', 'dkim', 'dmarc')", name=op.f("ck_domain_check_record")),
        sa.CheckConstraint("result IN ('ok', 'bad', 'could_not_tell')", name=op.f("ck_domain_check_result")),
        sa.PrimaryKeyConstraint("domain", "record", name=op.f("pk_domain_check")),
        schema=_SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("domain_check", schema=_SCHEMA)
