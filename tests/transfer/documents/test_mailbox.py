"""The document of a mailbox: everything that is stored about it, and no secret."""

from __future__ import annotations

import json
import re
from typing import Any

from gmail_warmup.db.models import Base
from gmail_warmup.mailboxes.lookup import MailboxAddress
from gmail_warmup.transfer.documents.mailbox import SECRET_COLUMNS, iter_document
from support.mail_kit import ADA, ledger
from support.removal_kit import NAME, SIGNATURE, make_busy
from support.world import World

MAY_BE_SECRET = re.compile(r"token|secret|hash|verifier|cipher|password|key")
NO_SECRETS = {
    "canary.ciphertext",  # not of a mailbox
    "incident.key", "ledger.text_hash", "ledger.token", "ledger_history.text_hash", "ledger_history.token",
}  # fmt: skip


def export(world: World, mailbox_id: int = 1, address: str = ADA) -> dict[str, Any]:
    document = "".join(iter_document(world.store.engine, MailboxAddress(id=mailbox_id, address=address)))
    return json.loads(document)


def test_it_contains_what_is_stored_and_no_secret(world: World):
    make_busy(world)
    exported = export(world)
    assert (exported["address"], exported["format"], exported["version"]) == (ADA, "gmail-warmup mailbox", 1)
    tables = exported["tables"]
    (mailbox,) = tables["mailbox"]
    assert (mailbox["display_name"], mailbox["signature"]) == (NAME, SIGNATURE)
    assert len(tables["ledger"]) == len(ledger(world))
    assert {mail["sender"] for mail in tables["ledger"] if mail["sender_id"] == 1} == {ADA}
    for table in ("oauth_grant", "grant_event", "mailbox_day", "invite", "consent", "repair", "mailbox_failure"):
        assert tables[table], table
    text = json.dumps(exported)
    for row in world.rows("SELECT refresh_token, access_token FROM gmail_warmup.oauth_grant"):
        assert not any(token in text for token in row)
    assert [mailbox["address"] for mailbox in tables["mailbox"]] == [ADA]


def test_every_column_that_may_hold_a_secret_was_decided_on():
    found = {f"{table.name}.{column.name}" for table in Base.metadata.sorted_tables for column in table.columns
             if MAY_BE_SECRET.search(column.name)}  # fmt: skip
    assert {name for name in found if name.partition(".")[2] not in SECRET_COLUMNS} == NO_SECRETS
