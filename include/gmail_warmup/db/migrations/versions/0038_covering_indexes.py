"""two indexes contain every column that the counts of the overview need

Revision: 0038
Follows: 0037
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_RESTRICTED = sa.text("kind = 'warmup' AND band <> 'healthy'")


def upgrade() -> None:
    _replace(band=["id", "band_since", "domain"], domain=["id", "kind"])


def downgrade() -> None:
    _replace(band=[], domain=[])


def _replace(*, band: list[str], domain: list[str]) -> None:
    """Create both indexes again, with further columns that they contain."""
    for name in ("ix_mailbox_band", "ix_mailbox_domain_address"):
        op.drop_index(name, "mailbox", schema=_SCHEMA)
    op.create_index(
        "ix_mailbox_band",
        "mailbox",
        ["band", "address"],
        schema=_SCHEMA,
        postgresql_where=_RESTRICTED,
        postgresql_include=band,
    )
    op.create_index(
        "ix_mailbox_domain_address", "mailbox", ["domain", "address"], schema=_SCHEMA, postgresql_include=domain
    )
