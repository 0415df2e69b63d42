"""Ten days of warmup by the real code on a moved clock; sixty of them are ``make bench BENCH=engine``."""

from __future__ import annotations

from bench.engine.simulation import scripts, simulate
from bench.ground import Ground
from gmail_warmup.vocabulary import HealthBand


def test_ten_days_keep_every_promise(ground: Ground):
    # Six pool mailboxes take twelve mails in 24 hours from one sender.
    came = simulate(ground, scripts(shards=1, days=10, warmup=10, pool=6, sick_from=3, full=9))
    print(came)
    assert came.mails > 200
    assert (came.duplicates, came.lost, came.outside_hours) == (0, 0, 0)
    assert (came.planned > 150, came.volume_error) == (True, 0)
    assert came.open_rate_error <= 1
    assert came.reply_rate_error <= 1
    assert came.innocent_throttled == 0
    assert came.throttled_after is not None
    assert came.throttled_after <= came.paused_after <= 7
    assert came.bands[min(came.bands)] == {HealthBand.HEALTHY: 10}
