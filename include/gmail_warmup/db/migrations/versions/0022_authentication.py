"""what Google reports about SPF, DKIM and DMARC of each mail

Revision: 0022
Follows: 0021
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_TIME = sa.DateTime(timezone=True)
_RESULTS = (
    "IN ('pass', 'fail', 'softfail', 'neutral', 'none', 'policy', 'temperror', 'permerror', 'bestguesspass', 'unknown')"
)
_METHODS = "method IN ('spf', 'dkim', 'dmarc')"
_INCIDENTS = "kind IN ('app_error', 'outage', 'mass_refusal', 'unreadable'{})"
_COLUMNS = {
    "spf_result": sa.Text, "spf_aligned": sa.Boolean, "dkim_result": sa.Text, "dkim_aligned": sa.Boolean,
    "dmarc_result": sa.Text,
}  # fmt: skip
_CHECKED = ("spf_result", "dkim_result", "dmarc_result")


def upgrade() -> None:
    for table in ("ledger", "ledger_history"):
        for name, kind in _COLUMNS.items():
            op.add_column(table, sa.Column(name, kind(), nullable=True), schema=_SCHEMA)
    for name in _CHECKED:
        op.create_check_constraint(op.f(f"ck_ledger_{name}"), "ledger", f"{name} {_RESULTS}", schema=_SCHEMA)
    _replace_moved_columns("stray_draft_due_at", ", ".join(("stray_draft_due_at", *_COLUMNS)))
    _create_table("mailbox_authentication", sa.Column("mailbox_id", sa.BigInteger(), nullable=False))
    op.create_foreign_key(
        op.f("fk_mailbox_authentication_mailbox_id_mailbox"), "mailbox_authentication", "mailbox", ["mailbox_id"],
        ["id"], source_schema=_SCHEMA, referent_schema=_SCHEMA, ondelete="CASCADE",
    )  # fmt: skip
    _create_table("domain_authentication", sa.Column("domain", sa.Text(), nullable=False))
    _set_incident_kinds(", 'unauthenticated'")


def downgrade() -> None:
    op.execute("DELETE FROM gmail_warmup.incident WHERE kind = 'unauthenticated'")
    _set_incident_kinds("")
    for table in ("domain_authentication", "mailbox_authentication"):
        op.drop_table(table, schema=_SCHEMA)
    _replace_moved_columns(", ".join(("stray_draft_due_at", *_COLUMNS)), "stray_draft_due_at")
    for name in _CHECKED:
        op.drop_constraint(op.f(f"ck_ledger_{name}"), "ledger", schema=_SCHEMA, type_="check")
    for table in ("ledger_history", "ledger"):
        for name in _COLUMNS:
            op.drop_column(table, name, schema=_SCHEMA)


def _create_table(name: str, key: sa.Column[int] | sa.Column[str]) -> None:
    op.create_table(
        name,
        key,
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("is_aligned", sa.Boolean(), nullable=True),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.Column("passed_at", _TIME, nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint(key.name, "method", name=op.f(f"pk_{name}")),
        sa.CheckConstraint(_METHODS, name=op.f(f"ck_{name}_method")),
        sa.CheckConstraint(f"result {_RESULTS}", name=op.f(f"ck_{name}_result")),
        schema=_SCHEMA,
    )


def _replace_moved_columns(old: str, new: str) -> None:
    """Replace columns in the function that moves mails; PostgreSQL keeps its body as text."""
    definition = "pg_get_functiondef('gmail_warmup.move_mails(bigint, timestamptz, integer)'::regprocedure)"
    for end in (") SELECT", " FROM gone"):
        op.execute(f"DO $do$ BEGIN EXECUTE replace({definition}, $old${old}{end}$old$, $new${new}{end}$new$); END $do$")


def _set_incident_kinds(more: str) -> None:
    op.drop_constraint(op.f("ck_incident_kind"), "incident", schema=_SCHEMA, type_="check")
    op.create_check_constraint(op.f("ck_incident_kind"), "incident", _INCIDENTS.format(more), schema=_SCHEMA)
