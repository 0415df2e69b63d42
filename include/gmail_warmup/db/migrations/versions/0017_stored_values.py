"""checks of times and JSON documents, and a function for the local date of a mailbox

Revision: 0017
Follows: 0016
"""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_RANGE = "BETWEEN '1900-01-01 00:00+00' AND '3000-01-01 00:00+00'"
_TIMES = (
    ("mailbox", "deferred_until", "NULL"),
    ("oauth_grant", "refresh_expires_at", "NULL"),
    ("oauth_grant", "access_expires_at", "NULL"),
    ("oauth_grant", "granted_at", "NULL"),
    ("oauth_grant", "next_probe_at", "NULL"),
    ("invite", "expires_at", "now()"),
)
"""Table, column, and what an earlier version should have stored in place of a time out of range."""
_OBJECTS = (("consent", "mailbox_settings", "'{}'"), ("audit", "report", "NULL"), ("incident", "detail", "'{}'"))
_LOCAL_DATE = """
CREATE OR REPLACE FUNCTION gmail_warmup.local_date(zone text, at timestamptz) RETURNS date
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN pg_catalog.timezone(zone, at)::date;
EXCEPTION WHEN invalid_parameter_value OR datetime_field_overflow THEN
    RETURN pg_catalog.timezone('UTC', at)::date;
END $$
"""


def upgrade() -> None:
    op.execute(_LOCAL_DATE)
    # A time out of range means that no time is known: Go writes the year 1 for it. So the rows are corrected first; a
    # constraint that is only valid for new rows would make every statement fail that changes an old one.
    for table, column, value in _TIMES:
        _correct(table, column, value, f"NOT {column} {_RANGE}")
        _add_check(table, column, f"{column} {_RANGE}")
    for table, column, value in _OBJECTS:
        _correct(table, column, value, f"jsonb_typeof({column}) <> 'object'")
        _add_check(table, column, f"jsonb_typeof({column}) = 'object'")
    _correct("oauth_grant", "scopes", "array_remove(scopes, NULL)", "array_position(scopes, NULL) IS NOT NULL")
    _add_check("oauth_grant", "scopes", "array_position(scopes, NULL) IS NULL")


def _correct(table: str, column: str, value: str, condition: str) -> None:
    op.execute(f"UPDATE gmail_warmup.{table} SET {column} = {value} WHERE {condition}")  # noqa: S608


def _add_check(table: str, column: str, condition: str) -> None:
    op.create_check_constraint(op.f(f"ck_{table}_{column}"), table, condition, schema="gmail_warmup")


def downgrade() -> None:
    for table, column in (*((t, c) for t, c, _ in (*_TIMES, *_OBJECTS)), ("oauth_grant", "scopes")):
        op.drop_constraint(op.f(f"ck_{table}_{column}"), table, schema="gmail_warmup", type_="check")
    op.execute("DROP FUNCTION gmail_warmup.local_date(text, timestamptz)")
