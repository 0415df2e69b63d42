"""An hour in which Google fails in every way it knows, one after the other: nobody may be flagged for it.

The hour passes on the clocks of the database and of Google's stand-in. The audit and tasks of several processes go on
all the while, on mailboxes whose access tokens have all expired.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from bench.fleet import Worker, fleet
from bench.grants.audits import audit, until_valid
from bench.grants.tasks import SERVED, want_tokens
from bench.ground import Ground
from bench.scene import Crowd, add_crowd, ever_flagged, expire, valid
from gmail_sandbox.fault_catalog import CATALOGUE
from gmail_warmup.core.errors import GmailWarmupError
from support.world import World

SETTINGS = {"connect_timeout": 0.5, "read_timeout": 0.5, "refresh_lease": 10}
"""Short, so that an answer that never comes costs little."""
HOUR = timedelta(hours=1)
TASKS = 3
MAX_HALVES = 10
KILL_EVERY = 5
"""After so many kinds of failure the audit, which waits for better times, is killed and run again."""

NO_OUTAGE = frozenset(
    {
        # about the grant
        "token.revoked", "token.bad_request", "token.empty_description", "token.no_description",
        "token.account_deleted", "token.invalid_rapt", "token.rapt_required", "token.admin_policy",
        "token.access_denied", "token.scope_lost",
        # about the client or the request
        "token.invalid_client", "token.client_not_found", "token.deleted_client", "token.disabled_client",
        "token.unauthorized_client", "token.invalid_scope", "token.invalid_request", "token.unsupported_grant_type",
    }
)  # fmt: skip
"""The token endpoint's answers that say something; every other one of the catalogue is an outage or a limit."""
ROWS = tuple(name for name, row in CATALOGUE.items() if row.edge == "token" and name not in NO_OUTAGE)


@dataclass
class Outage:
    """What the hour came to."""

    mailboxes: int
    rows: tuple[str, ...]
    strikes: Counter[str] = field(default_factory=Counter)
    """How often Google answered with each row."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """What tasks were told."""
    audits: int = 0
    kills: int = 0
    flags: int = 0
    """Mailboxes that were suspect or flagged at any time."""
    valid_after: int = 0

    @property
    def unseen(self) -> list[str]:
        """Return the rows that never struck, so that nothing is known about them."""
        return [row for row in self.rows if not self.strikes[row]]

    def __str__(self) -> str:
        """Say what happened."""
        told = ", ".join(f"{count} x {name}" for name, count in self.outcomes.most_common())
        return (
            f"{len(self.rows)} kinds of failure struck {self.strikes.total()} requests for {self.mailboxes} mailboxes; "
            f"{self.audits} audits, {self.kills} killed; tasks were told: {told}; {self.flags} flags, "
            f"{self.valid_after} valid afterwards"
        )


def outage(ground: Ground, *, mailboxes: int, rows: Sequence[str] = ROWS, seconds: float, seed: int) -> Outage:
    """Let Google fail for a simulated hour, each kind of failure lasting so many real seconds."""
    world = ground.fresh(simulated=True)
    crowd = add_crowd(world, mailboxes)
    came = Outage(mailboxes=mailboxes, rows=tuple(rows))
    with fleet(ground, 1 + TASKS, simulated=True) as (auditor, *tasks):
        hour = _Hour(ground, world, crowd, came, auditor, tasks)
        for number, row in enumerate(rows):
            if number and number % KILL_EVERY == 0:
                hour.kill_audit()
            hour.suffer(row, seconds, seed + number)
        hour.end()
    came.flags = ever_flagged(world)
    came.valid_after = valid(world)
    return came


class _Hour:
    def __init__(
        self, ground: Ground, world: World, crowd: Crowd, came: Outage, auditor: Worker, tasks: Sequence[Worker]
    ) -> None:
        self._ground, self._world, self._crowd, self._came = ground, world, crowd, came
        self._auditor, self._tasks = auditor, tasks
        self._auditing = False
        self._share = HOUR / len(came.rows)

    def suffer(self, row: str, seconds: float, seed: int) -> None:
        """Let one kind of failure rule for its share of the hour; half of it passes in the middle.

        On a busy machine it takes longer until it strikes.
        """
        expire(self._world)
        fault = self._world.sandbox.add_fault(name=row)
        self._audit()
        for half in range(MAX_HALVES):
            for number, task in enumerate(self._tasks):
                task.order(
                    want_tokens,
                    addresses=self._crowd.addresses,
                    seconds=seconds / 2,
                    seed=100 * seed + 10 * number + half,
                    settings=SETTINGS,
                )
            for task in self._tasks:
                self._came.outcomes += task.result()
            self._ground.pass_time(self._share / 2)
            strikes = next(now.hits for now in self._world.sandbox.faults() if now.id == fault.id)
            if half and strikes:
                break
        self._came.strikes[row] += strikes
        self._world.sandbox.clear_faults(fault.id)
        self._breathe()

    def kill_audit(self) -> None:
        """Kill the process that audits, in the middle of whatever it does."""
        self._auditor.restart()
        self._auditing = False
        self._came.kills += 1

    def end(self) -> None:
        """Let everything pass, and audit until everything is valid."""
        self.kill_audit()
        expire(self._world)
        self._ground.pass_time(HOUR)
        until_valid(self._world, self._auditor, self._crowd, settings=SETTINGS)

    def _audit(self) -> None:
        """Begin an audit, unless the last one still goes on."""
        if self._auditing and self._auditor.done(0):
            self._auditor.result()
            self._auditing = False
        if not self._auditing:
            self._came.audits += 1
            shards = self._crowd.shards(self._world.settings.audit_shard)
            self._auditor.order(audit, run_id=f"outage-{self._came.audits}", shards=shards, settings=SETTINGS)
            self._auditing = True

    def _breathe(self) -> None:
        """Let one request work, so that the next kind of failure meets an open road again."""
        tokens = self._world.tokens(lease=10)
        for address in self._crowd.sample(20, seed=1):
            try:
                tokens.get_token(address)
            except GmailWarmupError:
                self._ground.pass_time(timedelta(minutes=1))
            else:
                self._came.outcomes[SERVED] += 1
                return
