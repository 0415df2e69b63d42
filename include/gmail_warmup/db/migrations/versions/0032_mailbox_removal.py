"""removals of mailboxes, and mails in the ledger whose other mailbox was removed

Revision: 0032
Follows: 0031
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_TABLE = "mailbox_removal"
_LEDGERS = ("ledger", "ledger_history")
_SIDES = ("sender_id", "recipient_id")

_SUBTRACT = "    ELSE\n"
_KEEP_SUMS = """    -- The function erase_mailbox deletes the days of a removed mailbox; the sums of its domain stay.
    ELSIF current_setting('gmail_warmup.keep_sums', true) IS DISTINCT FROM 'on' THEN
"""
_REMOVED_TEXT = "(gone)"

_NAMES_OF_PERSONS = (
    "actor", "airflow_user", "changed_by", "created_by", "ended_by", "owner_email", "paused_by", "requested_by",
    "revoked_by", "started_by",
)  # fmt: skip

_KEPT = ", ".join(f"'{name}'" for name in ("address", "tag", *_NAMES_OF_PERSONS))


def _build_identity(address: str) -> str:
    return (
        f"CASE WHEN split_part({address}, '@', 2) IN ('gmail.com', 'googlemail.com') "
        f"THEN replace(split_part(split_part({address}, '@', 1), '+', 1), '.', '') || '@gmail.com' ELSE {address} END"
    )


_FORMER = _build_identity("(before ->> 'address')")
_IDENTITIES = f"SELECT {_build_identity('own')} FROM unnest(addresses) own"  # noqa: S608  an expression
_IS_OWN_CONSENT = f"c.mailbox_id = erased.id OR {_build_identity('c.address')} IN ({_IDENTITIES})"
_DUE_TIMES = ("locate", "rescue", "read", "mark", "reply", "stray_draft")
_NOTHING_DUE = ", ".join(f"{name}_due_at = NULL" for name in _DUE_TIMES)
_IS_UNSENT = "status IN ('claimed', 'drafted')"


def _anonymize(table: str) -> str:
    """Return the statements that anonymize a batch of mails of one table and leave the function if there were any."""
    return f"""
    WITH own AS MATERIALIZED (
        SELECT id, claimed_at FROM gmail_warmup.{table}
        WHERE sender_id = removed.mailbox_id OR recipient_id = removed.mailbox_id
    ), batch AS MATERIALIZED (
        SELECT l.id, l.claimed_at FROM gmail_warmup.{table} l JOIN own USING (id, claimed_at)
        ORDER BY l.id LIMIT at_once FOR UPDATE OF l
    ), gone AS (
        DELETE FROM gmail_warmup.{table} l USING batch
        WHERE l.id = batch.id AND l.claimed_at = batch.claimed_at AND (l.sender_id IS NULL OR l.recipient_id IS NULL)
        RETURNING l.id
    ), kept AS (
        UPDATE gmail_warmup.{table} l SET
            sender_id = nullif(l.sender_id, removed.mailbox_id),
            recipient_id = nullif(l.recipient_id, removed.mailbox_id),
            token = 'removed:' || l.id, subject = '', rfc_message_id = NULL, thread_id = NULL, draft_id = NULL,
            recipient_thread_id = NULL, bounce_text = NULL, text_hash = NULL, language = NULL, {_NOTHING_DUE},
            status = CASE WHEN {_IS_UNSENT} THEN 'failed' ELSE status END,
            failure = CASE WHEN {_IS_UNSENT} THEN 'mailbox_removed' ELSE failure END,
            gmail_id = CASE WHEN l.sender_id = removed.mailbox_id THEN NULL ELSE gmail_id END,
            notice_ids = CASE WHEN l.sender_id = removed.mailbox_id THEN '{{}}' ELSE notice_ids END,
            sender_trashed_at = CASE WHEN l.sender_id = removed.mailbox_id THEN now() ELSE sender_trashed_at END,
            recipient_gmail_id = CASE WHEN l.recipient_id = removed.mailbox_id THEN NULL ELSE recipient_gmail_id END,
            recipient_trashed_at = CASE WHEN l.recipient_id = removed.mailbox_id THEN now()
                ELSE recipient_trashed_at END
        FROM batch WHERE l.id = batch.id AND l.claimed_at = batch.claimed_at
            AND l.sender_id IS NOT NULL AND l.recipient_id IS NOT NULL
        RETURNING l.id
    )
    SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM kept) INTO deleted, changed;
    IF deleted + changed > 0 THEN
        counts := gmail_warmup.add_count(counts, 'deleted', '{table}', deleted);
        counts := gmail_warmup.add_count(counts, 'anonymized', '{table}', changed);
        UPDATE gmail_warmup.mailbox_removal r SET receipt = counts WHERE r.id = removal;
        RETURN false;
    END IF;"""  # noqa: S608  the name of a table


_ADD_COUNT = """
CREATE OR REPLACE FUNCTION gmail_warmup.add_count(counts jsonb, kind text, name text, rows bigint) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN rows = 0 THEN counts ELSE counts || jsonb_build_object(
        kind,
        coalesce(counts -> kind, '{}')
            || jsonb_build_object(name, rows + coalesce((counts -> kind ->> name)::bigint, 0))
    ) END
$$
"""

# The rows are locked in the order of ``db.locks``. A caller needs the lease of the mailbox, so that no task uses it.
_ERASE_MAILBOX = f"""
CREATE OR REPLACE FUNCTION gmail_warmup.erase_mailbox(removal bigint, at_once integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    removed gmail_warmup.mailbox_removal;
    erased gmail_warmup.mailbox;
    addresses text[];
    pattern text;
    counts jsonb;
    place record;
    deleted bigint;
    changed bigint;
BEGIN
    SELECT * INTO removed FROM gmail_warmup.mailbox_removal WHERE id = removal FOR UPDATE;
    IF removed.id IS NULL THEN
        RAISE EXCEPTION 'there is no removal %', removal;
    ELSIF removed.finished_at IS NOT NULL THEN
        RETURN true;
    END IF;
    SELECT * INTO erased FROM gmail_warmup.mailbox WHERE id = removed.mailbox_id;
    IF removed.step IS DISTINCT FROM 'erase' OR NOT coalesce(
        starts_with(erased.lease_holder, 'removal:' || removal || ':') AND erased.lease_until > now(), erased.id IS NULL
    ) THEN
        RAISE EXCEPTION 'the removal % is not prepared', removal;
    END IF;
    counts := removed.receipt;
    {_anonymize("ledger")}
    {_anonymize("ledger_history")}
    -- Its address, and those before a renaming that belong to no other mailbox now.
    SELECT array_agg(address) INTO addresses FROM (
        SELECT erased.address AS address
        UNION SELECT before ->> 'address' FROM gmail_warmup.change_log
        WHERE mailbox_id = erased.id AND action = 'mailbox_rename'
            AND NOT EXISTS (SELECT FROM gmail_warmup.mailbox m WHERE m.id <> erased.id AND m.identity = {_FORMER})
    ) own WHERE address <> '';
    PERFORM FROM gmail_warmup.consent c WHERE {_IS_OWN_CONSENT} ORDER BY c.id FOR UPDATE;
    PERFORM FROM gmail_warmup.invite i WHERE i.mailbox_id = erased.id ORDER BY i.id FOR UPDATE;
    PERFORM FROM gmail_warmup.mailbox m WHERE m.id = erased.id FOR UPDATE;
    PERFORM FROM gmail_warmup.oauth_grant g WHERE g.mailbox_id = erased.id FOR UPDATE;
    DELETE FROM gmail_warmup.consent c WHERE {_IS_OWN_CONSENT};
    GET DIAGNOSTICS deleted = ROW_COUNT;
    counts := gmail_warmup.add_count(counts, 'deleted', 'consent', deleted);
    -- The sums of a domain are anonymous and stay: see add_domain_days.
    PERFORM set_config('gmail_warmup.keep_sums', 'on', true);
    FOR place IN
        SELECT c.relname AS name, a.attname AS key
        FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid
            JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
        WHERE f.contype = 'f' AND f.confrelid = 'gmail_warmup.mailbox'::regclass AND f.confdeltype = 'c'
            AND c.relname <> 'ledger'
        ORDER BY c.relname
    LOOP
        EXECUTE format('DELETE FROM gmail_warmup.%I WHERE %I = $1', place.name, place.key) USING erased.id;
        GET DIAGNOSTICS deleted = ROW_COUNT;
        counts := gmail_warmup.add_count(counts, 'deleted', place.name, deleted);
    END LOOP;
    DELETE FROM gmail_warmup.mailbox m WHERE m.id = erased.id;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    counts := gmail_warmup.add_count(counts, 'deleted', 'mailbox', deleted);
    PERFORM set_config('gmail_warmup.keep_sums', 'off', true);
    UPDATE gmail_warmup.breaker b SET failed_mailbox_ids = array_remove(b.failed_mailbox_ids, erased.id)
        WHERE erased.id = ANY (b.failed_mailbox_ids);
    -- An address in a text: not a part of a longer one, also in a link or after an escaped character of JSON.
    SELECT string_agg(regexp_replace(own, '([^a-z0-9@])', '\\\\\\1', 'g'), '|') INTO pattern FROM unnest(addresses) own;
    pattern := replace(replace(pattern, '@', '(?:@|%40)'), '\\+', '(?:\\+|%2b)');
    pattern := '(?:(?<![a-z0-9._+-])|(?<=\\\\[bfnrt]))(?:' || pattern || ')(?![a-z0-9-]|\\.[a-z0-9])';
    FOR place IN
        SELECT c.relname AS name,
            string_agg(format('%I::text ~* $1', a.attname), ' OR ') AS condition,
            string_agg(format(
                '%1$I = regexp_replace(%1$I::text, $1, ''{_REMOVED_TEXT}'', ''gi'')::%2$s',
                a.attname, format_type(a.atttypid, NULL)
            ), ', ') AS changes
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'gmail_warmup'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
            AND c.relname <> 'ledger' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
            AND a.atttypid IN ('text'::regtype, 'text[]'::regtype, 'jsonb'::regtype) AND a.attname NOT IN ({_KEPT})
            AND erased.id IS NOT NULL
        GROUP BY c.relname ORDER BY c.relname
    LOOP
        EXECUTE format('UPDATE gmail_warmup.%I SET %s WHERE %s', place.name, place.changes, place.condition)
            USING pattern;
        GET DIAGNOSTICS changed = ROW_COUNT;
        counts := gmail_warmup.add_count(counts, 'redacted', place.name, changed);
    END LOOP;
    UPDATE gmail_warmup.mailbox_removal r SET
        receipt = counts, step = 'done', problem = NULL, finished_at = now() WHERE r.id = removal;
    RETURN true;
END $$
"""  # noqa: S608  names of columns

_SIGNATURES = (
    "gmail_warmup.erase_mailbox(bigint, integer)",
    "gmail_warmup.add_count(jsonb, text, text, bigint)",
)


def upgrade() -> None:
    _create_table()
    for table in _LEDGERS:
        for column in _SIDES:
            op.alter_column(table, column, nullable=True, schema=_SCHEMA)
    _replace_in_body("add_domain_days()", _SUBTRACT, _KEEP_SUMS)
    op.execute(_ADD_COUNT)
    op.execute(_ERASE_MAILBOX)
    for signature in _SIGNATURES:
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")


def downgrade() -> None:
    for signature in _SIGNATURES:
        op.execute(f"DROP FUNCTION {signature}")
    _replace_in_body("add_domain_days()", _KEEP_SUMS, _SUBTRACT)
    for table in _LEDGERS:
        op.execute(f"DELETE FROM {_SCHEMA}.{table} WHERE sender_id IS NULL OR recipient_id IS NULL")  # noqa: S608
        for column in _SIDES:
            op.alter_column(table, column, nullable=False, schema=_SCHEMA)
    op.drop_table(_TABLE, schema=_SCHEMA)


def _replace_in_body(function: str, old: str, new: str) -> None:
    definition = f"pg_get_functiondef('gmail_warmup.{function}'::regprocedure)"
    op.execute(f"DO $do$ BEGIN EXECUTE replace({definition}, $old${old}$old$, $new${new}$new$); END $do$")


def _create_table() -> None:
    op.create_table(
        _TABLE,
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("mailbox_id", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("revoke_grant", sa.Boolean(), nullable=False),
        sa.Column("trash_mail", sa.Boolean(), nullable=False),
        sa.Column("step", sa.Text(), server_default="trash", nullable=False),
        sa.Column("problem", sa.Text()),
        sa.Column("next_try_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("trashed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("trashed_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("trash_outcome", sa.Text()),
        sa.Column("revoke_outcome", sa.Text()),
        sa.Column("receipt", JSONB(), server_default="{}", nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailbox_removal")),
        sa.CheckConstraint("step IN ('trash', 'revoke', 'erase', 'done')", name=op.f("ck_mailbox_removal_step")),
        sa.CheckConstraint("jsonb_typeof(receipt) = 'object'", name=op.f("ck_mailbox_removal_receipt")),
        schema=_SCHEMA,
    )
    op.create_index(
        "uq_mailbox_removal_open",
        _TABLE,
        ["mailbox_id"],
        unique=True,
        schema=_SCHEMA,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_index("ix_mailbox_removal_finished_at", _TABLE, ["finished_at"], schema=_SCHEMA)
