"""the party at Google whose refusal caused the state of a grant

Revision: 0014
Follows: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
# The reason shows which party refused; a block by an administrator may come from both, and a flagged mailbox is probed
# at both. The reasons of rows that Google did not refuse are left out.
_FILL = """
UPDATE gmail_warmup.oauth_grant SET refused_by = CASE
    WHEN reason IN ('gmail_disabled', 'scope_missing', 'token_rejected') THEN 'gmail' ELSE 'token_endpoint' END
WHERE state <> 'active' AND coalesce(reason, 'never_granted') NOT IN ('never_granted', 'no_refresh_token')
"""


def upgrade() -> None:
    op.add_column("oauth_grant", sa.Column("refused_by", sa.Text(), nullable=True), schema=_SCHEMA)
    op.create_check_constraint(
        op.f("ck_oauth_grant_refused_by"), "oauth_grant", "refused_by IN ('token_endpoint', 'gmail')", schema=_SCHEMA
    )
    op.execute(_FILL)


def downgrade() -> None:
    op.drop_constraint(op.f("ck_oauth_grant_refused_by"), "oauth_grant", schema=_SCHEMA)
    op.drop_column("oauth_grant", "refused_by", schema=_SCHEMA)
