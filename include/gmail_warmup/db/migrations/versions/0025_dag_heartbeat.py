"""the last success of each DAG, and incidents about DAGs without one

Revision: 0025
Follows: 0024
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_KINDS = "kind IN ('app_error', 'outage', 'mass_refusal', 'unreadable', 'unauthenticated'{})"


def upgrade() -> None:
    op.create_table(
        "dag_heartbeat",
        sa.Column("dag_id", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("steady_since", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("dag_id", "step", name=op.f("pk_dag_heartbeat")),
        schema=_SCHEMA,
    )
    _set_incident_kinds(", 'overdue'")


def downgrade() -> None:
    op.drop_table("dag_heartbeat", schema=_SCHEMA)
    op.execute("DELETE FROM gmail_warmup.incident WHERE kind = 'overdue'")
    _set_incident_kinds("")


def _set_incident_kinds(more: str) -> None:
    op.drop_constraint(op.f("ck_incident_kind"), "incident", schema=_SCHEMA, type_="check")
    op.create_check_constraint(op.f("ck_incident_kind"), "incident", _KINDS.format(more), schema=_SCHEMA)
