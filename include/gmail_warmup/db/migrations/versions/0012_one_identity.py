"""one identity for all addresses of a Google mailbox

Revision: 0012
Follows: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_IDENTITY = """CASE WHEN split_part(address, '@', 2) IN ('gmail.com', 'googlemail.com')
THEN replace(split_part(split_part(address, '@', 1), '+', 1), '.', '') || '@gmail.com' ELSE address END"""

# Of several addresses of one mailbox the one that works is kept, otherwise the oldest. The others are paused, because
# their caps, leases and volume would be counted for one mailbox several times.
_PAUSE_DUPLICATES = """
WITH numbered AS (
    SELECT mailbox.id, row_number() OVER of_one - 1 AS number, first_value(mailbox.address) OVER of_one AS kept
    FROM gmail_warmup.mailbox LEFT JOIN gmail_warmup.oauth_grant ON oauth_grant.mailbox_id = mailbox.id
    WINDOW of_one AS (PARTITION BY mailbox.identity ORDER BY
        (mailbox.paused_at IS NULL AND oauth_grant.state IS NOT DISTINCT FROM 'active') DESC, mailbox.id)
)
UPDATE gmail_warmup.mailbox SET duplicate_number = numbered.number, next_send_at = NULL,
    paused_at = coalesce(mailbox.paused_at, now()), paused_by = coalesce(mailbox.paused_by, 'upgrade'),
    pause_reason = 'is the same Google mailbox as ' || numbered.kept
FROM numbered WHERE numbered.id = mailbox.id AND numbered.number > 0
"""


def upgrade() -> None:
    identity = sa.Column("identity", sa.Text(), sa.Computed(_IDENTITY, persisted=True), nullable=False)
    op.add_column("mailbox", identity, schema=_SCHEMA)
    number = sa.Column("duplicate_number", sa.SmallInteger(), server_default="0", nullable=False)
    op.add_column("mailbox", number, schema=_SCHEMA)
    op.execute(_PAUSE_DUPLICATES)
    name = op.f("uq_mailbox_identity_duplicate_number")
    op.create_unique_constraint(name, "mailbox", ["identity", "duplicate_number"], schema=_SCHEMA)
    name, rule = op.f("ck_mailbox_duplicate_is_paused"), "duplicate_number = 0 OR paused_at IS NOT NULL"
    op.create_check_constraint(name, "mailbox", rule, schema=_SCHEMA)


def downgrade() -> None:
    # A duplicate stays paused, and its reason says why.
    op.drop_constraint(op.f("ck_mailbox_duplicate_is_paused"), "mailbox", schema=_SCHEMA, type_="check")
    op.drop_constraint(op.f("uq_mailbox_identity_duplicate_number"), "mailbox", schema=_SCHEMA, type_="unique")
    op.drop_column("mailbox", "duplicate_number", schema=_SCHEMA)
    op.drop_column("mailbox", "identity", schema=_SCHEMA)
