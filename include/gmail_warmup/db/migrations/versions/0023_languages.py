"""the language of a mailbox and of its mails, and hashes of their texts

Revision: 0023
Follows: 0022
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_COLUMNS = {
    "mailbox": ("language",),
    "ledger": ("language", "text_hash"),
    "ledger_history": ("language", "text_hash"),
}
# PostgreSQL keeps the body of a function as text, so the changed parts are replaced in it.
_BODY = (
    ("dmarc_result) SELECT", "dmarc_result, language, text_hash) SELECT"),
    ("dmarc_result FROM gone", "dmarc_result, language, text_hash FROM gone"),
)


def _replace_in_move_mails(old: str, new: str) -> None:
    definition = "pg_get_functiondef('gmail_warmup.move_mails(bigint, timestamptz, integer)'::regprocedure)"
    op.execute(f"DO $do$ BEGIN EXECUTE replace({definition}, $old${old}$old$, $new${new}$new$); END $do$")


def upgrade() -> None:
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.add_column(table, sa.Column(column, sa.Text(), nullable=True), schema=_SCHEMA)
    for old, new in _BODY:
        _replace_in_move_mails(old, new)


def downgrade() -> None:
    for old, new in _BODY:
        _replace_in_move_mails(new, old)
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.drop_column(table, column, schema=_SCHEMA)
