"""Backups of every version ever written stay readable: their settings, pauses and grants come back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.models import GrantState
from gmail_warmup.oauth.token_endpoint import SCOPE
from gmail_warmup.transfer import encrypted_backup, exporter, importer
from support.world import World

GOLDEN = Path(__file__).parent / "golden"
"""One file per version, as it was written at that time. Never write one again: people restore files of that age."""

PASSPHRASE = "correct horse battery staple é"


@pytest.mark.parametrize("version", range(1, encrypted_backup.VERSION + 1))
def test_a_backup_of_every_version_is_restored(world: World, version: int):
    backup = encrypted_backup.parse_encrypted_backup((GOLDEN / f"backup_version_{version}.json").read_text())
    assert backup
    exported_at, mailboxes = exporter.parse_backup(encrypted_backup.decrypt_backup(backup, PASSPHRASE))
    done = importer.import_mailboxes(world.store, mailboxes, actor=world.actor, exported_at=exported_at)
    assert exported_at == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert (done.added, done.grants, done.paused, done.to_sign_in) == (3, 2, 1, 1)

    ada = world.mailbox("ada@pool.example")
    assert (ada.kind, ada.timezone, ada.daily_target) == ("pool", "Europe/Berlin", 30)
    assert (ada.display_name, ada.signature) == ("Ada Lovelace", "Ada\nLondon")
    assert world.mailbox("bob@warm.example").pause_reason == "on holiday"
    assert world.grant("new@pool.example").state is GrantState.NEEDS_REAUTH
    for address in ("ada@pool.example", "bob@warm.example"):
        grant = world.grant(address)
        assert grant.state is GrantState.ACTIVE
        assert grant.refresh_token
        assert world.store.cipher.decrypt(grant.secret_owner, grant.refresh_token) == f"1//made-up-{address[:3]}"
    stored = world.grant("ada@pool.example")
    assert stored.granted_at == datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
    assert stored.refresh_expires_at == datetime(2030, 1, 15, 9, 30, tzinfo=UTC)
    assert world.rows(
        "SELECT DISTINCT client_id, scopes FROM gmail_warmup.oauth_grant WHERE client_id IS NOT NULL"
    ) == [("client-1.apps.example.com", [SCOPE])]


@pytest.mark.parametrize("damage", [{"version": 2}, {"kdf": {}}, {"sha256": "0" * 64}], ids=lambda damage: str(damage))
def test_a_changed_backup_is_rejected(damage: dict[str, object]):
    written = json.loads((GOLDEN / "backup_version_1.json").read_text())
    with pytest.raises(InvalidInputError):
        encrypted_backup.parse_encrypted_backup(json.dumps(written | damage))
