"""the address under which an account signed in, and sums of a mailbox that gets another domain

Revision: 0033
Follows: 0032
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_COLUMNS = (("actual_address", sa.Text()), ("kept_result", sa.Text()), ("kept_until", sa.DateTime(timezone=True)))
_COUNTS = (
    "ramp", "planned", "claimed", "sent", "failed", "inbox", "spam", "elsewhere", "missing", "rescued", "read",
    "replied", "bounced", "rejected",
)  # fmt: skip
_NAMES = ", ".join(_COUNTS)
_NEGATIVE = ", ".join(f"-{name} AS {name}" for name in _COUNTS)
_MOVE_DOMAIN_DAYS = f"""
CREATE OR REPLACE FUNCTION gmail_warmup.move_domain_days() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO gmail_warmup.domain_day (domain, timezone, local_date, {_NAMES})
    SELECT OLD.domain, OLD.timezone, local_date, {_NEGATIVE}
    FROM gmail_warmup.mailbox_day WHERE mailbox_id = OLD.id
    UNION ALL
    SELECT NEW.domain, NEW.timezone, local_date, {_NAMES}
    FROM gmail_warmup.mailbox_day WHERE mailbox_id = OLD.id;
    RETURN NULL;
END $$
"""  # noqa: S608  the names of columns
_ON_MAILBOX_RENAME = """
CREATE OR REPLACE TRIGGER move_domain_days AFTER UPDATE OF address ON gmail_warmup.mailbox
FOR EACH ROW WHEN (OLD.domain <> NEW.domain) EXECUTE FUNCTION gmail_warmup.move_domain_days()
"""


def upgrade() -> None:
    for name, kind in _COLUMNS:
        op.add_column("consent", sa.Column(name, kind, nullable=True), schema=_SCHEMA)
    op.execute(_MOVE_DOMAIN_DAYS)
    op.execute(_ON_MAILBOX_RENAME)


def downgrade() -> None:
    op.execute("DROP FUNCTION gmail_warmup.move_domain_days() CASCADE")
    for name, _ in _COLUMNS:
        op.drop_column("consent", name, schema=_SCHEMA)
