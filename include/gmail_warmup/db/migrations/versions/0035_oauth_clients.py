"""several OAuth clients

Revision: 0035
Follows: 0034
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_COUNT_USER = """
CREATE OR REPLACE FUNCTION gmail_warmup.count_client_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO gmail_warmup.oauth_client_user (client_id, mailbox_id) VALUES (NEW.client_id, NEW.mailbox_id)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$
"""
_ON_GRANT_INSERT = """
CREATE OR REPLACE TRIGGER count_first_client AFTER INSERT ON gmail_warmup.oauth_grant
FOR EACH ROW WHEN (NEW.client_id IS NOT NULL) EXECUTE FUNCTION gmail_warmup.count_client_user()
"""
_ON_GRANT_UPDATE = """
CREATE OR REPLACE TRIGGER count_next_client AFTER UPDATE OF client_id ON gmail_warmup.oauth_grant
FOR EACH ROW WHEN (NEW.client_id IS NOT NULL AND NEW.client_id IS DISTINCT FROM OLD.client_id)
EXECUTE FUNCTION gmail_warmup.count_client_user()
"""


def upgrade() -> None:
    op.create_table(
        "oauth_client",
        sa.Column("conn_id", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("user_limit", sa.Integer(), nullable=True),
        sa.Column("tags", ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("user_limit >= 0", name=op.f("ck_oauth_client_user_limit")),
        sa.CheckConstraint("array_position(tags, NULL) IS NULL", name=op.f("ck_oauth_client_tags")),
        sa.PrimaryKeyConstraint("conn_id", name=op.f("pk_oauth_client")),
        sa.UniqueConstraint("client_id", name=op.f("uq_oauth_client_client_id")),
        schema=_SCHEMA,
    )
    op.create_table(
        "oauth_client_user",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("mailbox_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["mailbox_id"],
            [f"{_SCHEMA}.mailbox.id"],
            name=op.f("fk_oauth_client_user_mailbox_id_mailbox"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_client_user")),
        sa.UniqueConstraint("client_id", "mailbox_id", name=op.f("uq_oauth_client_user_client_id_mailbox_id")),
        schema=_SCHEMA,
    )
    op.create_index("ix_oauth_client_user_mailbox_id", "oauth_client_user", ["mailbox_id"], schema=_SCHEMA)
    op.execute(
        "INSERT INTO gmail_warmup.oauth_client_user (client_id, mailbox_id) "
        "SELECT client_id, mailbox_id FROM gmail_warmup.oauth_grant WHERE client_id IS NOT NULL"
    )
    for statement in (_COUNT_USER, _ON_GRANT_INSERT, _ON_GRANT_UPDATE):
        op.execute(statement)
    for table in ("consent", "repair"):
        op.add_column(table, sa.Column("client_conn_id", sa.Text(), nullable=True), schema=_SCHEMA)


def downgrade() -> None:
    for table in ("consent", "repair"):
        op.drop_column(table, "client_conn_id", schema=_SCHEMA)
    op.execute("DROP FUNCTION IF EXISTS gmail_warmup.count_client_user() CASCADE")
    op.drop_table("oauth_client_user", schema=_SCHEMA)
    op.drop_table("oauth_client", schema=_SCHEMA)
