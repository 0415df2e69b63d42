"""record what people change: the change log

Revision: 0028
Follows: 0027
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_TABLE = "change_log"
_FUNCTIONS = (
    """
CREATE OR REPLACE FUNCTION gmail_warmup.forget_mailbox_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE gmail_warmup.change_log SET subject = '', before = NULL, after = NULL WHERE mailbox_id = OLD.id;
    RETURN NULL;
END $$
""",
    """
CREATE TRIGGER forget_mailbox_changes AFTER DELETE ON gmail_warmup.mailbox
FOR EACH ROW EXECUTE FUNCTION gmail_warmup.forget_mailbox_changes()
""",
    """
CREATE OR REPLACE FUNCTION gmail_warmup.remove_old_changes(days integer, at_once integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    removed integer;
BEGIN
    DELETE FROM gmail_warmup.change_log WHERE id IN (
        SELECT id FROM gmail_warmup.change_log
        WHERE at < now() - make_interval(days => greatest(days, 30)) ORDER BY at LIMIT at_once
    );
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END $$
""",
    "REVOKE ALL ON FUNCTION gmail_warmup.remove_old_changes(integer, integer) FROM PUBLIC",
)
# Whoever may stop all mailboxes has to be able to record it, also before the next `gmail-warmup init`.
_GRANT_TO_ROLE = """
DO $do$
DECLARE
    role_name text;
BEGIN
    FOR role_name IN
        SELECT DISTINCT grantee FROM information_schema.role_table_grants
        WHERE table_schema = 'gmail_warmup' AND table_name = 'halt' AND privilege_type = 'INSERT'
            AND grantee <> current_user
    LOOP
        EXECUTE format('GRANT SELECT, INSERT ON gmail_warmup.change_log TO %I', role_name);
        EXECUTE format(
            'GRANT EXECUTE ON FUNCTION gmail_warmup.remove_old_changes(integer, integer) TO %I', role_name
        );
    END LOOP;
END $do$
"""


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("mailbox_id", sa.BigInteger(), nullable=True),
        sa.Column("before", JSONB(none_as_null=True), nullable=True),
        sa.Column("after", JSONB(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_log")),
        schema=_SCHEMA,
    )
    op.create_index("ix_change_log_at", _TABLE, ["at"], schema=_SCHEMA)
    has_mailbox = sa.text("mailbox_id IS NOT NULL")
    op.create_index(
        "ix_change_log_mailbox_id", _TABLE, ["mailbox_id", "id"], schema=_SCHEMA, postgresql_where=has_mailbox
    )
    for statement in (*_FUNCTIONS, _GRANT_TO_ROLE):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION gmail_warmup.forget_mailbox_changes() CASCADE")
    op.execute("DROP FUNCTION gmail_warmup.remove_old_changes(integer, integer)")
    op.drop_table(_TABLE, schema=_SCHEMA)
