"""Google refuses a few mailboxes at every try: the audit sets them aside, and takes hardly longer for the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.fleet import one_worker
from bench.grants.audits import Audited, audit
from bench.ground import Ground
from bench.scene import add_crowd
from chaos.faults import NewFault
from gmail_warmup.core.settings import Settings

MAILBOXES, THROTTLED = 120, 6
ANSWERS = ("token.rate_limit_html_403", "token.too_many_429")
LATENCY_MS = 50
MAX_RATIO = 1.5


@pytest.mark.chaos
def test_throttled_mailboxes_do_not_delay_the_audit(
    ground: Ground, fault: NewFault, record_property: Callable[[str, object], None]
):
    account = fault("a few mailboxes are always throttled")
    clean, throttled = _audited(ground, 0), _audited(ground, THROTTLED)
    account.struck(THROTTLED)
    account.check(clean.counts == {"refreshed": MAILBOXES}, f"without throttling: {clean}")
    account.check(
        throttled.counts == {"refreshed": MAILBOXES - THROTTLED, "throttled": THROTTLED},
        f"with throttling: {throttled}",
    )
    ratio = round(throttled.seconds / clean.seconds, 3)
    record_property("audit_throttled_over_clean", ratio)
    account.check(ratio <= MAX_RATIO, f"{throttled.seconds:.1f} s, without throttled mailboxes {clean.seconds:.1f} s")
    account.hold()


def _audited(ground: Ground, throttled: int) -> Audited:
    """Audit all mailboxes with the default rate, so many of them throttled at every try."""
    world = ground.fresh()
    crowd = add_crowd(world, MAILBOXES)
    world.sandbox.set(latency_ms={"token": LATENCY_MS})
    for number, address in enumerate(crowd.sample(throttled, seed=1)):
        world.sandbox.add_fault("token", name=ANSWERS[number % len(ANSWERS)], address=address)
    settings = {"audit_rate": Settings().audit_rate}
    with one_worker(ground) as worker:
        done: Audited = worker.do(audit, run_id="audit", shards=[crowd.ids], settings=settings)
    world.sandbox.clear_faults()
    return done
