"""The bench of the grants, part by part: what each one measures, and what it has to come to."""

from __future__ import annotations

from bench.fleet import fleet, one_worker
from bench.grants import hot_path, races, single_flight
from bench.grants.audits import Audited, audit, google_auth, until_valid
from bench.grants.outage import ROWS, outage
from bench.grants.wrong_secret import wrong_secret
from bench.ground import Ground
from bench.report import Bench, Figure, Part, Say, at_least, at_most, exactly
from bench.scene import add_crowd, asked, ever_flagged, valid

SEED = 20_261_123
LATENCY_MS = 50
MANY, CROWD = 10_000, 5_000
LIMITED, LIMIT = 2_000, 50
GOOGLE_AUTH_REFRESHES = 100


def _single_flight(ground: Ground, say: Say) -> list[Figure]:
    rushes = []
    with fleet(ground, 64) as workers:
        say("64 processes are ready")
        for latency_ms in (LATENCY_MS, 250, 1000, 1000):
            rushes.append(single_flight.rush(ground.fresh(), workers, latency_ms=latency_ms))
            say(str(rushes[-1]))
    return [
        Figure(
            label="token requests of 64 processes for one mailbox",
            value=max(rush.requests for rush in rushes),
            target=exactly(1),
            key="single_flight_requests",
        ),
        Figure(
            label="longest wait of a process beyond the request",
            value=max(rush.overhead for rush in rushes),
            unit="s",
            target=at_most(1.0),
            key="single_flight_wait_s",
        ),
    ]


def _races(ground: Ground, say: Say) -> list[Figure]:
    with fleet(ground, 8) as workers:
        came = races.race(ground.fresh(), workers, rounds=1000, seed=SEED)
    for violation in came.violations[:5]:
        say(violation)
    return [
        Figure(label="races", value=came.rounds, unit="rounds", target=at_least(1000), key="race_rounds"),
        *(
            Figure(label=f"  {name}", value=came.interleavings[name], unit="rounds", target=at_least(10))
            for name in races.Interleaving
        ),
        Figure(
            label="newer grants harmed", value=len(came.violations), target=exactly(0), key="race_violations"
        ),
    ]  # fmt: skip


def _hot_path(ground: Ground, say: Say) -> list[Figure]:
    ground.fresh().add("ada@pool.example", expired=False)
    with one_worker(ground) as worker:
        cost: hot_path.HotPath = worker.do(hot_path.measure, address="ada@pool.example", iterations=3000)
    return [
        Figure(
            label="round trips for credentials, token valid",
            value=cost.round_trips,
            target=exactly(1),
            key="hot_path_round_trips",
        ),
        Figure(label="  and for connecting, in a new process", value=cost.round_trips_of_connecting),
        Figure(
            label="credentials beside SELECT 1", value=cost.ratio, unit="times", key="hot_path_over_select1"
        ),
        Figure(label="  credentials", value=cost.credentials, unit="µs"),
        Figure(label="  SELECT 1", value=cost.select_1, unit="µs"),
    ]  # fmt: skip


def _audits(ground: Ground, say: Say) -> list[Figure]:
    free, flagged_free = _free_audit(ground)
    say("the audit without a limit is done")
    limited, flagged_limited = _limited_audit(ground)
    flags = Figure(
        label="mailboxes flagged by mistake", value=flagged_free + flagged_limited, target=exactly(0), key="false_flags"
    )
    return [*free, *limited, flags]


def _free_audit(ground: Ground) -> tuple[list[Figure], int]:
    world = ground.fresh()
    crowd = add_crowd(world, MANY)
    world.sandbox.set(latency_ms={"token": LATENCY_MS})
    with one_worker(ground) as worker:  # a fresh one, whose memory is only the audit's
        done: Audited = worker.do(audit, run_id="bench", shards=crowd.shards(world.settings.audit_shard))
    refreshed, flagged = valid(world), ever_flagged(world)
    twice = sum(count > 1 for count in asked(world).values())
    with one_worker(ground) as worker:
        loop = worker.do(google_auth, addresses=crowd.sample(GOOGLE_AUTH_REFRESHES, SEED)) / GOOGLE_AUTH_REFRESHES
    return [
        Figure(label="mailboxes refreshed by an audit", value=refreshed, target=exactly(MANY), key="audit_mailboxes"),
        Figure(label="  that Google was asked about twice", value=twice, target=exactly(0)),
        Figure(label="  time", value=done.seconds, unit="s"),
        Figure(label="  google-auth in a loop, for one", value=loop * 1000, unit="ms"),
        Figure(
            label="audit beside google-auth in a loop",
            value=loop / (done.seconds / MANY),
            unit="times as fast",
            target=at_least(40),
            key="audit_speedup",
        ),
        Figure(label="its most memory", value=done.rss_mb, unit="MB", target=at_most(300), key="audit_rss_mb"),
    ], flagged


def _limited_audit(ground: Ground) -> tuple[list[Figure], int]:
    world = ground.fresh()
    crowd = add_crowd(world, LIMITED)
    world.sandbox.set(latency_ms={"token": LATENCY_MS}, token_rate_limit=LIMIT)
    with one_worker(ground) as worker:
        passes, seconds = until_valid(world, worker, crowd)
    outcomes = world.sandbox.stats().token_outcomes
    return [
        Figure(
            label="audit under a hidden limit beside the shortest possible",
            value=seconds / (LIMITED / LIMIT),
            unit="times as long",
            target=at_most(1.25),
            key="limited_over_limit",
        ),
        Figure(label="  mailboxes refreshed", value=valid(world), target=exactly(LIMITED)),
        Figure(label="  passes that took", value=len(passes)),
        Figure(label="  requests over the limit", value=sum(outcomes.values()) - outcomes.get("ok", 0)),
    ], ever_flagged(world)


def _outage(ground: Ground, say: Say) -> list[Figure]:
    came = outage(ground, mailboxes=CROWD, seconds=2, seed=SEED)
    say(str(came))
    return [
        Figure(label="kinds of failure in an hour of outage", value=len(came.rows) - len(came.unseen),
               target=exactly(len(ROWS))),
        Figure(label="  requests that failed", value=came.strikes.total()),
        Figure(label="  mailboxes valid afterwards", value=came.valid_after, target=exactly(CROWD)),
        Figure(label="mailboxes flagged or suspect by it", value=came.flags, target=exactly(0), key="outage_flags"),
    ]  # fmt: skip


def _wrong_secret(ground: Ground, say: Say) -> list[Figure]:
    came = wrong_secret(ground, mailboxes=CROWD, seconds=8, seed=SEED)
    say(str(came))
    return [
        Figure(
            label="mailboxes flagged under a wrong client secret",
            value=came.flags,
            target=exactly(0),
            key="wrong_secret_flags",
        ),
        Figure(label="  alerts about it", value=came.alerts, target=exactly(1), key="wrong_secret_alerts"),
        Figure(label="  token requests in that hour", value=came.requests),
        Figure(label="  mailboxes valid with the right secret", value=came.valid_after, target=exactly(CROWD)),
    ]


GRANTS = Bench(
    title="Grants",
    parts=(
        Part(name="single_flight", title="64 processes want one token", run=_single_flight),
        Part(name="races", title="1,000 races of refresh and re-authentication", run=_races),
        Part(name="hot_path", title="credentials while the token is valid", run=_hot_path),
        Part(name="audits", title="audits of 10,000 mailboxes, and of 2,000 under a limit", run=_audits),
        Part(name="outage", title="an hour of outage over 5,000 mailboxes", run=_outage),
        Part(name="wrong_secret", title="a wrong client secret over 5,000 mailboxes", run=_wrong_secret),
    ),
    keys=(
        "single_flight_requests", "single_flight_wait_s", "race_rounds", "race_violations", "hot_path_round_trips",
        "hot_path_over_select1", "audit_mailboxes", "audit_speedup", "audit_rss_mb", "limited_over_limit",
        "false_flags", "outage_flags", "wrong_secret_flags", "wrong_secret_alerts",
    ),
)  # fmt: skip
