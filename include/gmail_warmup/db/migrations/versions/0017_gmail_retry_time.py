"""store until when Gmail wants no calls to a mailbox

Revision: 0017
Follows: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"


def upgrade() -> None:
    op.add_column("mailbox", sa.Column("gmail_retry_at", sa.DateTime(timezone=True), nullable=True), schema=_SCHEMA)


def downgrade() -> None:
    op.drop_column("mailbox", "gmail_retry_at", schema=_SCHEMA)
