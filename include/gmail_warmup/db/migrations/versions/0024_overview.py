"""sums for the overview: mails by domain and day, grants by state and day, volumes of domains

Revision: 0024
Follows: 0023
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_COUNTS = (
    "ramp", "planned", "claimed", "sent", "failed", "inbox", "spam", "elsewhere", "missing", "rescued", "read",
    "replied", "bounced", "rejected",
)  # fmt: skip
_NAMES = ", ".join(_COUNTS)
_SUMS = ", ".join(f"sum(c.{name})" for name in _COUNTS)
_IS_CHANGE = " + ".join(f"abs(sum(c.{name}))" for name in _COUNTS)
_NEW_DAYS = f"SELECT mailbox_id, local_date, {_NAMES} FROM new_days"  # noqa: S608
_OLD_DAYS = f"SELECT mailbox_id, local_date, {', '.join(f'-{name} AS {name}' for name in _COUNTS)} FROM old_days"  # noqa: S608


def _insert_sums(changes: str) -> str:
    return f"""INSERT INTO gmail_warmup.domain_day (domain, timezone, local_date, {_NAMES})
        SELECT m.domain, m.timezone, c.local_date, {_SUMS}
        FROM ({changes}) c JOIN gmail_warmup.mailbox m ON m.id = c.mailbox_id
        GROUP BY m.domain, m.timezone, c.local_date HAVING {_IS_CHANGE} > 0;"""  # noqa: S608


_ADD_DOMAIN_DAYS = f"""
CREATE OR REPLACE FUNCTION gmail_warmup.add_domain_days() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        {_insert_sums(_NEW_DAYS)}
    ELSIF TG_OP = 'UPDATE' THEN
        {_insert_sums(f"{_NEW_DAYS} UNION ALL {_OLD_DAYS}")}
    ELSE
        {_insert_sums(_OLD_DAYS)}
    END IF;
    RETURN NULL;
END $$
"""
_DELETE_MAILBOX_DAYS = """
CREATE OR REPLACE FUNCTION gmail_warmup.delete_mailbox_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM gmail_warmup.mailbox_day WHERE mailbox_id = OLD.id;
    RETURN OLD;
END $$
"""
_TRIGGERS = (
    "CREATE TRIGGER add_new_days AFTER INSERT ON gmail_warmup.mailbox_day REFERENCING NEW TABLE AS new_days"
    " FOR EACH STATEMENT EXECUTE FUNCTION gmail_warmup.add_domain_days()",
    "CREATE TRIGGER add_changed_days AFTER UPDATE ON gmail_warmup.mailbox_day"
    " REFERENCING NEW TABLE AS new_days OLD TABLE AS old_days"
    " FOR EACH STATEMENT EXECUTE FUNCTION gmail_warmup.add_domain_days()",
    "CREATE TRIGGER subtract_old_days AFTER DELETE ON gmail_warmup.mailbox_day REFERENCING OLD TABLE AS old_days"
    " FOR EACH STATEMENT EXECUTE FUNCTION gmail_warmup.add_domain_days()",
    "CREATE TRIGGER delete_mailbox_days BEFORE DELETE ON gmail_warmup.mailbox"
    " FOR EACH ROW EXECUTE FUNCTION gmail_warmup.delete_mailbox_days()",
)
_REMOVE_BEFORE = "    DELETE FROM gmail_warmup.grant_event WHERE id IN ("
_REMOVE_AFTER = f"""    DELETE FROM gmail_warmup.grant_day WHERE day < before::date;
    GET DIAGNOSTICS gone = ROW_COUNT;
    removed := removed + gone;
{_REMOVE_BEFORE}"""  # noqa: S608

# The next run of a DAG merges these rows.
_SUM_DAYS = f"""
INSERT INTO gmail_warmup.domain_day (domain, timezone, local_date, {_NAMES})
SELECT m.domain, m.timezone, c.local_date, {_SUMS}
FROM gmail_warmup.mailbox_day c JOIN gmail_warmup.mailbox m ON m.id = c.mailbox_id
GROUP BY m.domain, m.timezone, c.local_date
"""  # noqa: S608
# The state of a grant at the end of a day is that of its last event until then; a grant without events never changed.
_COUNT_GRANTS = """
INSERT INTO gmail_warmup.grant_day (domain, day, kind, state, mailboxes)
SELECT coalesce(m.domain, ''), d.day::date, m.kind, s.state, count(*)
FROM (
    SELECT mailbox_id, to_state AS state, at AS since, lead(at) OVER (PARTITION BY mailbox_id ORDER BY id) AS until
    FROM gmail_warmup.grant_event
    UNION ALL
    SELECT g.mailbox_id, g.state, b.created_at, NULL
    FROM gmail_warmup.oauth_grant g JOIN gmail_warmup.mailbox b ON b.id = g.mailbox_id
    WHERE NOT EXISTS (SELECT FROM gmail_warmup.grant_event e WHERE e.mailbox_id = g.mailbox_id)
) s
JOIN gmail_warmup.mailbox m ON m.id = s.mailbox_id,
    LATERAL generate_series(
        greatest((s.since AT TIME ZONE 'UTC')::date, (now() AT TIME ZONE 'UTC')::date - 90),
        (coalesce(s.until, now()) AT TIME ZONE 'UTC')::date - 1, interval '1 day'
    ) AS d (day)
WHERE m.domain <> ''
    AND s.state IN ('active', 'suspect', 'needs_reauth', 'blocked_by_admin', 'account_deleted', 'disabled')
GROUP BY GROUPING SETS ((d.day, m.kind, s.state), (m.domain, d.day, m.kind, s.state))
"""


def _replace_in_body(function: str, old: str, new: str) -> None:
    definition = f"pg_get_functiondef('gmail_warmup.{function}'::regprocedure)"
    op.execute(f"DO $do$ BEGIN EXECUTE replace({definition}, $old${old}$old$, $new${new}$new$); END $do$")


def upgrade() -> None:
    op.create_table(
        "domain_day",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("domain", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _COUNTS),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domain_day")),
        schema=_SCHEMA,
    )
    op.create_index("ix_domain_day_local_date", "domain_day", ["local_date"], schema=_SCHEMA)
    op.create_table(
        "grant_day",
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("mailboxes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("domain", "day", "kind", "state", name=op.f("pk_grant_day")),
        sa.CheckConstraint("kind IN ('warmup', 'pool')", name=op.f("ck_grant_day_kind")),
        sa.CheckConstraint(
            "state IN ('active', 'suspect', 'needs_reauth', 'blocked_by_admin', 'account_deleted', 'disabled')",
            name=op.f("ck_grant_day_state"),
        ),
        schema=_SCHEMA,
    )
    op.create_table(
        "domain_volume",
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("senders", "receivers", "planned", "largest_plan", "target", "largest_target")
        ),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_domain_volume")),
        schema=_SCHEMA,
    )
    for statement in (_ADD_DOMAIN_DAYS, _DELETE_MAILBOX_DAYS, *_TRIGGERS, _SUM_DAYS, _COUNT_GRANTS):
        op.execute(statement)
    _replace_in_body("remove_old(timestamptz, integer)", _REMOVE_BEFORE, _REMOVE_AFTER)
    _set_bands("band <> 'healthy'")


def _set_bands(condition: str) -> None:
    op.drop_index("ix_mailbox_band", table_name="mailbox", schema=_SCHEMA)
    where = sa.text(f"kind = 'warmup' AND {condition}")
    op.create_index("ix_mailbox_band", "mailbox", ["band", "address"], schema=_SCHEMA, postgresql_where=where)


def downgrade() -> None:
    _set_bands("band IN ('throttled', 'paused', 'blocked')")
    _replace_in_body("remove_old(timestamptz, integer)", _REMOVE_AFTER, _REMOVE_BEFORE)
    op.execute("DROP FUNCTION gmail_warmup.add_domain_days() CASCADE")
    op.execute("DROP FUNCTION gmail_warmup.delete_mailbox_days() CASCADE")
    for table in ("domain_volume", "grant_day", "domain_day"):
        op.drop_table(table, schema=_SCHEMA)
