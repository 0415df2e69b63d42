"""The choice of a partner: caps, recent pairs, domains and load."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmail_warmup.warmup.planning.partners import PartnerCandidate, choose_partner

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def pool(number: int, **changes: Any) -> PartnerCandidate:
    usual: dict[str, Any] = {"domain": "pool.example", "received_today": 0, "pair_today": 0, "last_pair_at": None}
    return PartnerCandidate(id=number, **(usual | changes))


def chosen(*candidates: PartnerCandidate, seed: str = "seed", **changes: Any) -> int | None:
    usual: dict[str, Any] = {"sender_domain": "warm.example", "now": NOW, "pool_daily_cap": 50, "partner_daily_cap": 2}
    found = choose_partner(candidates, seed=seed, **(usual | changes))
    return found.id if found else None


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([], None),
        ([pool(1, received_today=50)], None),
        ([pool(1, pair_today=2)], None),
        ([pool(1, received_today=49, pair_today=1)], 1),
        # A partner of the last 72 hours is chosen only if there is no other; a cap always applies.
        ([pool(1, last_pair_at=NOW - 71 * HOUR), pool(2, received_today=49, domain="warm.example")], 2),
        ([pool(1, last_pair_at=NOW - 72 * HOUR), pool(2, received_today=1)], 1),
        ([pool(1, last_pair_at=NOW - HOUR), pool(2, received_today=50)], 1),
        # Another domain is preferred to a lower load, a lower load to the seed.
        ([pool(1, domain="warm.example"), pool(2, received_today=40)], 2),
        ([pool(1, received_today=3), pool(2, received_today=2), pool(3, received_today=4)], 2),
        ([pool(1, domain="warm.example", received_today=1), pool(2, domain="warm.example")], 2),
    ],
)
def test_order_of_the_rules(candidates: list[PartnerCandidate], expected: int | None) -> None:
    assert chosen(*candidates) == expected
    assert chosen(*reversed(candidates)) == expected


def test_equals_are_chosen_by_the_seed_and_evenly() -> None:
    candidates = [pool(number) for number in range(5)]
    picks = Counter(chosen(*candidates, seed=str(seed)) for seed in range(1000))
    assert all(150 < picks[number] < 250 for number in range(5))
    assert chosen(*candidates, seed="a") == chosen(*reversed(candidates), seed="a")


def test_rest_is_settable() -> None:
    candidates = [pool(1, last_pair_at=NOW - 2 * HOUR), pool(2, received_today=1)]
    assert chosen(*candidates, rest=HOUR) == 1
    assert chosen(*candidates, rest=3 * HOUR) == 2


CANDIDATES = st.builds(
    PartnerCandidate,
    id=st.integers(),
    domain=st.sampled_from(["warm.example", "pool.example", "other.example"]),
    received_today=st.integers(0, 5),
    pair_today=st.integers(0, 3),
    last_pair_at=st.none() | st.integers(0, 100).map(lambda hours: NOW - hours * HOUR),
)


@given(st.lists(CANDIDATES, max_size=8), st.integers(1, 5), st.integers(1, 3), st.text())
def test_caps_and_rest_hold_for_any_pool(
    candidates: list[PartnerCandidate], pool_daily_cap: int, partner_daily_cap: int, seed: str
) -> None:
    found = choose_partner(
        candidates,
        sender_domain="warm.example",
        now=NOW,
        pool_daily_cap=pool_daily_cap,
        partner_daily_cap=partner_daily_cap,
        seed=seed,
    )
    open_ones = [
        one for one in candidates if one.received_today < pool_daily_cap and one.pair_today < partner_daily_cap
    ]
    rested = [one for one in open_ones if one.last_pair_at is None or NOW - one.last_pair_at >= 72 * HOUR]
    if found is None:
        assert not open_ones
        return
    assert found in (rested or open_ones)
    others = [one for one in rested or open_ones if one.domain != "warm.example"]
    assert found in (others or rested or open_ones)
    assert found.received_today == min(one.received_today for one in others or rested or open_ones)


def test_a_day_of_mails_spreads_over_the_pool() -> None:
    received = Counter[int]()
    last: dict[tuple[str, int], datetime] = {}
    for turn in range(60):
        sender, now = f"sender-{turn % 6}", NOW + turn * timedelta(minutes=5)
        candidates = [pool(n, received_today=received[n], last_pair_at=last.get((sender, n))) for n in range(12)]
        found = chosen(*candidates, now=now, seed=str(turn))
        assert found is not None
        assert (sender, found) not in last
        received[found] += 1
        last[sender, found] = now
    assert set(received.values()) <= {4, 5, 6}
