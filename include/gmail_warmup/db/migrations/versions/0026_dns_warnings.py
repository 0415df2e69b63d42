"""permit the result "warning" of a DNS check

Revision: 0026
Follows: 0025
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"


def upgrade() -> None:
    _replace_check("'ok', 'warning', 'bad', 'could_not_tell'")


def downgrade() -> None:
    op.execute("UPDATE gmail_warmup.domain_check SET result = 'could_not_tell' WHERE result = 'warning'")
    _replace_check("'ok', 'bad', 'could_not_tell'")


def _replace_check(values: str) -> None:
    name = op.f("ck_domain_check_result")
    op.drop_constraint(name, "domain_check", schema=_SCHEMA)
    op.create_check_constraint(name, "domain_check", f"result IN ({values})", schema=_SCHEMA)
