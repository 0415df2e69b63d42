"""The OAuth client's secret is wrong: no account is affected, one alert says so, and Google is left alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from bench.fleet import fleet
from bench.grants.audits import audit, until_valid
from bench.grants.tasks import want_tokens
from bench.ground import Ground
from bench.scene import add_crowd, ever_flagged, valid
from gmail_warmup.alerts.compose import compose_alerts
from gmail_warmup.db.models import Alert, AlertKind
from support.world import World

WRONG = "GOCSPX-a-wrong-secret"
TASKS = 3


@dataclass(frozen=True, kw_only=True)
class WrongSecret:
    """What a wrong secret came to."""

    mailboxes: int
    requests: int
    """Token requests that Google saw while the secret was wrong."""
    outcomes: Counter[str]
    flags: int
    alerts: int
    valid_after: int

    def __str__(self) -> str:
        """Say what happened."""
        told = ", ".join(f"{count} x {name}" for name, count in self.outcomes.most_common())
        return (
            f"{self.mailboxes} mailboxes under a wrong client secret: {self.requests} token requests, {self.flags} "
            f"flags, {self.alerts} alert(s); tasks were told: {told}; {self.valid_after} valid with the right secret"
        )


def wrong_secret(ground: Ground, *, mailboxes: int, seconds: float, seed: int) -> WrongSecret:
    """Let an audit and tasks of several processes work with a wrong secret through a simulated hour, then repair it."""
    world = ground.fresh(simulated=True)
    crowd = add_crowd(world, mailboxes)
    shards = crowd.shards(world.settings.audit_shard)
    outcomes = Counter[str]()
    with fleet(ground, 1 + TASKS, simulated=True) as (auditor, *tasks):
        for hour_part in range(4):
            auditor.order(audit, run_id=f"wrong-{hour_part}", shards=shards, secret=WRONG)
            for number, task in enumerate(tasks):
                task.order(
                    want_tokens,
                    addresses=crowd.addresses,
                    seconds=seconds / 4,
                    seed=seed + 10 * hour_part + number,
                    secret=WRONG,
                )
            for task in tasks:
                outcomes += task.result()
            auditor.result()
            compose_alerts(world.store.engine)
            ground.pass_time(timedelta(minutes=15))
        requests, flags, alerts = world.token_requests(), ever_flagged(world), incident_alerts(world)
        ground.pass_time(timedelta(hours=1))
        until_valid(world, auditor, crowd)
    return WrongSecret(
        mailboxes=mailboxes,
        requests=requests,
        outcomes=outcomes,
        flags=flags,
        alerts=alerts,
        valid_after=valid(world),
    )


def incident_alerts(world: World) -> int:
    """Compose what there is to tell; return how many alerts there are about incidents."""
    compose_alerts(world.store.engine)
    query = sa.select(sa.func.count()).where(Alert.kind == AlertKind.INCIDENT)
    with world.store.engine.begin() as connection:
        return int(connection.scalar(query) or 0)
