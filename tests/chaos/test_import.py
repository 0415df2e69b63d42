"""How long an import of 5,000 mailboxes with their grants takes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from gmail_warmup.transfer import importer, parser
from support.world import CLIENT_ID, World

MAILBOXES = 5_000


@pytest.mark.chaos
def test_five_thousand_mailboxes_are_imported(world: World, record_property: Callable[[str, object], None]):
    grant = {"client_id": CLIENT_ID, "token": "ya29.made-up", "expiry": "2099-01-01T00:00:00Z", "scopes": ["a"]}
    file = json.dumps(
        [
            {
                "address": f"box{number}@pool.example",
                "kind": "pool",
                "oauth_token": grant | {"refresh_token": f"1//{number}"},
            }
            for number in range(MAILBOXES)
        ]
    )
    started = time.perf_counter()
    done = importer.import_mailboxes(world.store, parser.parse_mailboxes(file), actor=world.actor)
    record_property("import_5000_s", round(time.perf_counter() - started, 2))
    assert (done.added, done.grants) == (MAILBOXES, MAILBOXES)
