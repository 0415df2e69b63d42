"""``gmail-warmup mailboxes rename``: Google is asked for the primary address first."""

from __future__ import annotations

from typing import Any

from support.world import World

ADA, NEW = "ada@warm.example", "ada.byron@other.example"


def test_a_mailbox_is_renamed_if_google_has_renamed_it(world: World, shell: Any):
    world.add(ADA)
    shell("mailboxes", "rename", ADA, NEW, code=2)
    assert f"the primary address of this account is {ADA}, not {NEW}. Nothing was renamed." in " ".join(
        shell.err.split()
    )
    world.sandbox.rename_mailbox(ADA, NEW)
    assert f"Renamed {ADA} to {NEW}." in shell("mailboxes", "rename", ADA, NEW)
    assert world.mailbox(NEW).id == 1


def test_a_mailbox_without_a_working_grant_is_renamed_on_ones_own_responsibility(world: World, shell: Any):
    world.add(ADA)
    world.sql("UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'expired_or_revoked'")
    shell("mailboxes", "rename", ADA, NEW, code=1)
    assert shell.json("mailboxes", "rename", ADA, NEW, "--without-check") == {"address": NEW, "former_address": ADA}
