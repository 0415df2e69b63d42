"""The choice of a partner in the database: variety, caps, domains, and a cost that does not depend on the pool size."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from gmail_warmup.core.enums import CONSUMER_DOMAINS
from gmail_warmup.core.settings import Settings
from gmail_warmup.warmup.planning import partners as pool_module
from gmail_warmup.warmup.planning.partners import find_partner
from support.mail_kit import ADA
from support.world import World

SETTINGS = Settings()


@pytest.fixture
def ada(world: World) -> World:
    world.add(ADA, kind="warmup")
    return world


def fill(world: World, count: int, *, domain: str = "pool.example") -> None:
    """Add many pool mailboxes."""
    world.sql(
        "WITH m AS (INSERT INTO gmail_warmup.mailbox (address, kind, created_by)"
        " SELECT 'p' || i || '@' || :domain, 'pool', 'test' FROM generate_series(1, :count) i RETURNING id)"
        " INSERT INTO gmail_warmup.oauth_grant (mailbox_id, state) SELECT id, 'active' FROM m",
        domain=domain,
        count=count,
    )


def choose(world: World, settings: Settings = SETTINGS, *, seed: str = "seed", mail: bool = True) -> str | None:
    """Return the partner of Ada's next mail, and store its claim."""
    with world.store.engine.begin() as connection:
        now: datetime = connection.execute(sa.select(sa.func.now())).scalar_one()
        partner = find_partner(connection, world.mailbox(ADA), now=now, settings=settings, seed=seed)
    if partner is not None and mail:
        wrote(world, partner.address)
    return partner.address if partner else None


def wrote(world: World, address: str, *, hours: float = 0, sender: str = ADA, mails: int = 1) -> None:
    """Store mails that a sender sent to a pool mailbox some hours ago."""
    world.sql(
        "INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, planned)"
        " SELECT id, (now() - make_interval(secs => 3600 * :hours))::date, 1000 FROM gmail_warmup.mailbox"
        " WHERE address = :sender ON CONFLICT DO NOTHING",
        hours=hours,
        sender=sender,
    )
    world.sql(
        "INSERT INTO gmail_warmup.ledger"
        " (token, sender_id, recipient_id, local_date, slot, due_at, claimed_at, subject)"
        " SELECT gen_random_uuid()::text, s.id, r.id, at::date,"
        "   i + coalesce((SELECT max(slot) FROM gmail_warmup.ledger l WHERE l.sender_id = s.id), 0), at, at, ''"
        " FROM gmail_warmup.mailbox s, gmail_warmup.mailbox r, generate_series(1, :mails) i,"
        "   LATERAL (SELECT now() - make_interval(secs => 3600 * :hours) AS at) t"
        " WHERE s.address = :sender AND r.address = :address",
        sender=sender,
        address=address,
        hours=hours,
        mails=mails,
    )


def test_no_pair_is_repeated_while_there_is_a_choice(ada: World):
    fill(ada, 60)
    assert max(Counter(choose(ada) for _ in range(60)).values()) == 1
    assert choose(ada) is not None, "the second round, when nobody rested"


@pytest.mark.parametrize(("hours", "rested"), [(71, False), (73, True)])
def test_a_pair_rests_for_72_hours(ada: World, hours: float, rested: bool):
    fill(ada, 2)
    wrote(ada, "p1@pool.example", hours=hours)
    chosen = Counter(choose(ada, seed=str(seed), mail=False) for seed in range(30))
    assert set(chosen) == ({"p1@pool.example", "p2@pool.example"} if rested else {"p2@pool.example"})


def test_another_domain_is_preferred_and_a_rested_one_of_its_own_comes_before_a_tired_one(ada: World):
    fill(ada, 3, domain="warm.example")
    fill(ada, 1)
    assert choose(ada) == "p1@pool.example"
    assert {choose(ada) for _ in range(3)} == {f"p{number}@warm.example" for number in (1, 2, 3)}
    assert choose(ada) == "p1@pool.example"


def test_the_caps_are_hard(ada: World):
    fill(ada, 2)
    assert Counter(choose(ada) for _ in range(5)) == {"p1@pool.example": 2, "p2@pool.example": 2, None: 1}
    ada.sql("UPDATE gmail_warmup.ledger SET claimed_at = claimed_at - interval '25 hours'")
    assert choose(ada, Settings(pool_daily_cap=1)) is not None
    assert choose(ada, Settings(pool_daily_cap=1)) is not None
    assert choose(ada, Settings(pool_daily_cap=1)) is None


def test_who_cannot_work_is_not_chosen(ada: World):
    fill(ada, 3)
    ada.sql("UPDATE gmail_warmup.mailbox SET paused_at = now() WHERE address = 'p1@pool.example'")
    ada.sql(
        "UPDATE gmail_warmup.oauth_grant g SET state = 'needs_reauth' FROM gmail_warmup.mailbox m"
        " WHERE m.id = g.mailbox_id AND address = 'p2@pool.example'"
    )
    assert {choose(ada, seed=str(seed), mail=False) for seed in range(20)} == {"p3@pool.example"}


def test_a_second_name_of_the_sender_cannot_be_in_the_pool(ada: World):
    first, second = CONSUMER_DOMAINS
    ada.sql("UPDATE gmail_warmup.mailbox SET address = :a", a=f"ada.l@{first}")
    fill(ada, 1, domain=second)
    with pytest.raises(IntegrityError, match="uq_mailbox_identity"):
        ada.sql("UPDATE gmail_warmup.mailbox SET address = :a WHERE kind = 'pool'", a=f"adal@{second}")


def test_the_load_of_a_large_pool_spreads_and_a_claim_reads_little_of_it(ada: World):
    fill(ada, 3000)
    rows = 0

    def count(*found: object) -> None:
        nonlocal rows
        cursor = found[1]
        rows += max(0, cursor.rowcount)  # type: ignore[attr-defined]

    sa.event.listen(ada.store.engine, "after_cursor_execute", count)
    try:
        chosen = Counter(choose(ada, seed=str(number), mail=False) for number in range(100))
    finally:
        sa.event.remove(ada.store.engine, "after_cursor_execute", count)
    assert max(chosen.values()) == 1
    assert rows / 100 < 60


def test_a_pool_that_is_full_to_the_last_one_is_searched_to_the_last_one(ada: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pool_module, "_FIRST_PAGE_SIZE", 2)
    fill(ada, 30)
    ada.add("ben@warm.example", kind="warmup")
    for number in range(1, 31):
        if number != 17:
            wrote(ada, f"p{number}@pool.example", sender="ben@warm.example", mails=3)
    assert choose(ada, Settings(pool_daily_cap=3)) == "p17@pool.example"
    assert choose(ada, Settings(pool_daily_cap=1)) is None
