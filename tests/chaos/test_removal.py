"""A removal leaves nothing: in no column, on no page, in no answer of the API."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chaos.faults import NewFault
from fuzz.web import page, read_everything
from support.leftovers import find_columns_with
from support.mail_kit import ADA, POOL
from support.removal_kit import NAME, OWNER, SIGNATURE, fill, remove
from support.world import World

Record = Callable[[str, object], None]


@pytest.mark.chaos
def test_no_column_no_page_and_no_answer_shows_a_removed_mailbox(
    world: World, fault: NewFault, record_property: Record
):
    with page(world) as served:
        fill(world)
        secrets = world.rows("SELECT refresh_token, access_token FROM gmail_warmup.oauth_grant WHERE mailbox_id = 1")[0]
        needles = (ADA, ADA.replace("@", "%40"), NAME, SIGNATURE, OWNER, *secrets)
        paths = {"{address:path}": POOL[0], "{invite_id}": "1", "{removal_id}": "1", "{dag_id}": "gmail_warmup"}
        paths["{consent_id}"] = "1"
        before = [path for path, text in read_everything(served, paths=paths).items() if ADA in text]
        assert len(before) >= 5, before
        assert remove(world).is_done
        answers = read_everything(served, paths=paths)
    left = find_columns_with(world.store.engine, *needles)
    left.remove(f"alert.body: {ADA}")  # a part of another address
    left += [f"{path}: {needle}" for path, text in answers.items() for needle in needles if needle in text]
    account = fault("a removed mailbox")
    account.struck()
    account.found(left, checked=len(answers))
    record_property("removed_leftovers", len(left))
    account.hold()
