"""schedules of mailboxes and tags, and pauses that end on a date

Revision: 0034
Follows: 0033
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_TEXTS = ("sending_window", "sending_days", "holidays", "days_off", "ramp")
_LIMITS = {
    "ramp_start": (1, 500),
    "ramp_step": (0, 500),
    "ramp_cap": (1, 500),
    "maintenance_percent": (1, 100),
    "rescue_rate": (0, 100),
    "important_rate": (0, 100),
    "star_rate": (0, 100),
}
_RATES = {"open_rate": "80", "reply_rate": "55"}
"""Former defaults of the rates that every mailbox had; now they are the defaults of options."""

_MAILBOX = sa.table("mailbox", *map(sa.column, _RATES), schema=_SCHEMA)


def _limit(name: str, low: int, high: int) -> str:
    return f"{name} BETWEEN {low} AND {high}"


def upgrade() -> None:
    for name in _TEXTS:
        op.add_column("mailbox", sa.Column(name, sa.Text(), nullable=True), schema=_SCHEMA)
    for name, limits in _LIMITS.items():
        op.add_column("mailbox", sa.Column(name, sa.SmallInteger(), nullable=True), schema=_SCHEMA)
        op.create_check_constraint(op.f(f"ck_mailbox_{name}"), "mailbox", _limit(name, *limits), schema=_SCHEMA)
    op.create_check_constraint(op.f("ck_mailbox_ramp"), "mailbox", "ramp IN ('linear', 'phases')", schema=_SCHEMA)
    for name in _RATES:
        op.alter_column("mailbox", name, nullable=True, server_default=None, schema=_SCHEMA)
    op.alter_column("mailbox", "daily_target", server_default="40", schema=_SCHEMA)
    _add_end_of_pause()
    _create_tag_schedule()


def _add_end_of_pause() -> None:
    op.add_column("mailbox", sa.Column("paused_until", sa.Date(), nullable=True), schema=_SCHEMA)
    op.create_check_constraint(
        op.f("ck_mailbox_pause_with_end"), "mailbox", "paused_until IS NULL OR paused_at IS NOT NULL", schema=_SCHEMA
    )
    op.create_index(
        "ix_mailbox_paused_until",
        "mailbox",
        ["paused_until"],
        schema=_SCHEMA,
        postgresql_where=sa.text("paused_until IS NOT NULL"),
    )


def _create_tag_schedule() -> None:
    limits = _LIMITS | dict.fromkeys(_RATES, (0, 100))
    op.create_table(
        "tag_schedule",
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=True) for name in (*_TEXTS, "language")),
        *(sa.Column(name, sa.SmallInteger(), nullable=True) for name in limits),
        sa.CheckConstraint("ramp IN ('linear', 'phases')", name=op.f("ck_tag_schedule_ramp")),
        *(sa.CheckConstraint(_limit(name, *bounds), name=op.f(f"ck_tag_schedule_{name}"))
          for name, bounds in limits.items()),
        sa.PrimaryKeyConstraint("tag", name=op.f("pk_tag_schedule")),
        schema=_SCHEMA,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_table("tag_schedule", schema=_SCHEMA)
    op.drop_index("ix_mailbox_paused_until", table_name="mailbox", schema=_SCHEMA)
    op.drop_constraint(op.f("ck_mailbox_pause_with_end"), "mailbox", schema=_SCHEMA, type_="check")
    op.drop_column("mailbox", "paused_until", schema=_SCHEMA)
    op.alter_column("mailbox", "daily_target", server_default="50", schema=_SCHEMA)
    for name, default in _RATES.items():
        op.execute(sa.update(_MAILBOX).where(_MAILBOX.c[name].is_(None)).values({name: int(default)}))
        op.alter_column("mailbox", name, nullable=False, server_default=default, schema=_SCHEMA)
    op.drop_constraint(op.f("ck_mailbox_ramp"), "mailbox", schema=_SCHEMA, type_="check")
    for name in _LIMITS:
        op.drop_constraint(op.f(f"ck_mailbox_{name}"), "mailbox", schema=_SCHEMA, type_="check")
    for name in (*_LIMITS, *reversed(_TEXTS)):
        op.drop_column("mailbox", name, schema=_SCHEMA)
