"""readiness of each domain, and indexes for the overview

Revision: 0037
Follows: 0036
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_COUNTS = ("ready", "warming", "resting", "not_ready", "cold_mails")


def upgrade() -> None:
    for name in _COUNTS:
        column = sa.Column(name, sa.Integer(), server_default="0", nullable=False)
        op.add_column("domain_volume", column, schema=_SCHEMA)
    op.execute("DELETE FROM gmail_warmup.domain_volume")  # counted again by the next run of a DAG
    op.create_index("ix_domain_day_domain_local_date", "domain_day", ["domain", "local_date"], schema=_SCHEMA)
    op.create_index(
        "ix_domain_day_open",
        "domain_day",
        ["local_date"],
        schema=_SCHEMA,
        postgresql_where=sa.text("timezone <> ''"),
    )
    op.create_index(
        "ix_oauth_grant_invalid",
        "oauth_grant",
        ["state", "state_since", "mailbox_id"],
        schema=_SCHEMA,
        postgresql_where=sa.text("state <> 'active'"),
    )


def downgrade() -> None:
    op.drop_index("ix_oauth_grant_invalid", "oauth_grant", schema=_SCHEMA)
    op.drop_index("ix_domain_day_open", "domain_day", schema=_SCHEMA)
    op.drop_index("ix_domain_day_domain_local_date", "domain_day", schema=_SCHEMA)
    for name in _COUNTS:
        op.drop_column("domain_volume", name, schema=_SCHEMA)
