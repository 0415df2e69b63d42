"""running counts of what was drawn for a sender's mails

Revision: 0007
Follows: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_COUNTS = ("mails_placed", "mails_opened", "mails_answered")
_COUNT = """
UPDATE gmail_warmup.mailbox SET mails_placed = placed, mails_opened = opened, mails_answered = answered
FROM (
    SELECT sender_id, count(*) FILTER (WHERE placement <> 'missing') AS placed, count(read_due_at) AS opened,
        count(reply_due_at) AS answered
    FROM gmail_warmup.ledger WHERE parent_id IS NULL AND placement IS NOT NULL GROUP BY sender_id
) counted
WHERE mailbox.id = sender_id
"""


def upgrade() -> None:
    for name in _COUNTS:
        column = sa.Column(name, sa.Integer(), server_default="0", nullable=False)
        op.add_column("mailbox", column, schema=_SCHEMA)
    op.execute(_COUNT)


def downgrade() -> None:
    for name in reversed(_COUNTS):
        op.drop_column("mailbox", name, schema=_SCHEMA)
