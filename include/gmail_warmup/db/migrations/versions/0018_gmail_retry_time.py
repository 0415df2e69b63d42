"""store until when Gmail wants no calls to a mailbox

Revision: 0018
Follows: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"


def upgrade() -> None:
    op.add_column("mailbox", sa.Column("gmail_retry_at", sa.DateTime(timezone=True), nullable=True), schema=_SCHEMA)


def downgrade() -> None:
    op.drop_column("mailbox", "gmail_retry_at", schema=_SCHEMA)
