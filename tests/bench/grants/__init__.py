"""The benchmark of the grants: ``make bench BENCH=grants``."""

from __future__ import annotations

from bench.figures import Figures
from bench.fleet import fleet, one_worker
from bench.grants import hot_path, races, single_flight
from bench.grants.audits import Audited, google_auth, until_valid
from bench.grants.outage import outage
from bench.grants.wrong_secret import wrong_secret
from bench.ground import Ground
from bench.scene import add_crowd, ever_flagged

PROCESSES, ROUNDS, PAIRS = 64, 1_000, 4
MAILBOXES, LATENCY_MS, LOOP = 10_000, 50, 100
LIMITED, LIMIT = 2_000, 50
TROUBLED = 5_000
SEED = 20_261_124


def run(ground: Ground, figures: Figures) -> None:
    """Measure everything, in an order in which the machine is quiet for what is timed."""
    _single_flight(ground, figures)
    _races(ground, figures)
    _hot_path(ground, figures)
    flags = _audit(ground, figures)
    flags += _limited(ground, figures)
    figures.exactly("false_flags", flags, 0)
    _outage(ground, figures)
    _wrong_secret(ground, figures)


def _single_flight(ground: Ground, figures: Figures) -> None:
    world = ground.fresh()
    figures.say(f"{PROCESSES} processes start, then want the same token at once ...")
    with fleet(ground, PROCESSES) as workers:
        flight = single_flight.rush(world, workers, latency_ms=1_000)
    figures.say(flight)
    figures.exactly("single_flight_requests", flight.requests, 1)
    figures.at_most("single_flight_overhead_s", flight.overhead, 1)


def _races(ground: Ground, figures: Figures) -> None:
    world = ground.fresh()
    figures.say(f"{ROUNDS} races of refresh, re-authentication and late refusals ...")
    with fleet(ground, 2 * PAIRS) as workers:
        raced = races.race(world, workers, rounds=ROUNDS, seed=SEED)
    figures.say(raced)
    for violation in raced.violations[:10]:
        figures.say(f"violation: {violation}")
    figures.exactly("race_rounds", raced.rounds, ROUNDS)
    figures.exactly("race_violations", len(raced.violations), 0)


def _hot_path(ground: Ground, figures: Figures) -> None:
    world = ground.fresh()
    world.add("ada@pool.example", expired=False)
    found = hot_path.measure(world, address="ada@pool.example", iterations=3_000)
    figures.say(f"credentials {found.credentials:.0f} us, SELECT 1 {found.select_1:.0f} us")
    figures.exactly("hot_path_round_trips", found.round_trips, 1)
    figures.just("hot_path_over_select1", found.ratio)


def _audit(ground: Ground, figures: Figures) -> int:
    world = ground.fresh()
    crowd = add_crowd(world, MAILBOXES)
    world.sandbox.set(latency_ms={"token": LATENCY_MS})
    loop = google_auth(world, addresses=crowd.sample(LOOP, SEED)) / LOOP
    figures.say(f"google-auth in a loop: {1000 * loop:.1f} ms a refresh. Auditing {MAILBOXES} mailboxes ...")
    with one_worker(ground) as worker:
        passes, seconds = until_valid(world, worker, crowd)
    figures.say(f"{seconds:.1f} s, {MAILBOXES / seconds:.0f} a second; {_found(passes)}")
    figures.exactly("audit_mailboxes", MAILBOXES, MAILBOXES)
    figures.at_least("audit_speedup", loop * MAILBOXES / seconds, 40)
    figures.at_most("audit_rss_mb", max(audited.rss_mb for audited in passes), 300)
    return ever_flagged(world)


def _limited(ground: Ground, figures: Figures) -> int:
    world = ground.fresh()
    crowd = add_crowd(world, LIMITED)
    world.sandbox.set(latency_ms={"token": LATENCY_MS}, token_rate_limit=LIMIT)
    figures.say(f"{LIMITED} mailboxes under a hidden limit of {LIMIT} requests a second ...")
    with one_worker(ground) as worker:
        passes, seconds = until_valid(world, worker, crowd)
    refused = sum(request.status == 403 for request in world.sandbox.token_requests())
    figures.say(f"{seconds:.1f} s, {refused} requests refused; {_found(passes)}")
    figures.at_most("limited_over_limit", seconds / (LIMITED / LIMIT), 1.25)
    return ever_flagged(world)


def _outage(ground: Ground, figures: Figures) -> None:
    figures.say(f"One simulated hour of outage over {TROUBLED} mailboxes ...")
    came = outage(ground, mailboxes=TROUBLED, seconds=3, seed=SEED)
    figures.say(came)
    figures.exactly("outage_flags", came.flags, 0)


def _wrong_secret(ground: Ground, figures: Figures) -> None:
    figures.say(f"A wrong client secret over {TROUBLED} mailboxes ...")
    came = wrong_secret(ground, mailboxes=TROUBLED, seconds=8, seed=SEED)
    figures.say(came)
    figures.exactly("wrong_secret_flags", came.flags, 0)
    figures.exactly("wrong_secret_alerts", came.alerts, 1)


def _found(passes: list[Audited]) -> str:
    return "; ".join(
        f"pass {number}: " + ", ".join(f"{count} {name}" for name, count in audited.counts.most_common())
        for number, audited in enumerate(passes, 1)
    )
