"""A refresh and a re-authentication of the same mailbox race each other, Google's late answers among them.

Each round a person's new grant replaces the one that is being refreshed. Whatever the order, the new grant must be
what is stored in the end, in use and never flagged.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import httpx
import sqlalchemy as sa

from bench.fleet import Worker, soon
from gmail_sandbox.control.report_models import TokenRequestOut
from gmail_warmup.db.models import GrantEvent, GrantState, OAuthGrant
from gmail_warmup.oauth.errors import GrantError
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import SCOPE, TokenResult
from support.world import CLIENT_ID, World

_G = OAuthGrant


class Interleaving(StrEnum):
    """What really happened in a round."""

    REAUTH_FIRST = "re-authentication came first, Google was not asked"
    REFRESH_WON = "refreshed token written, then replaced"
    REFUSAL_WON = "refusal written, then replaced"
    LATE_TOKEN = "late token dropped"
    LATE_REFUSAL = "late refusal dropped"


@dataclass(frozen=True, kw_only=True)
class Round:
    """One round as it was drawn; times in seconds."""

    by_audit: bool
    """Whether an audit refreshes, or a task."""
    cause: str | None
    """Why the old grant is dead before the person signs in, or None: it lives."""
    delay: float
    when: str
    """Whether Google takes its time before it does the work or after."""
    lost: bool
    """Whether the first answer is lost."""
    head_start: float
    """Of the re-authentication; negative: it comes later."""
    pause: float
    """Between the death of the old grant and the new one."""

    @classmethod
    def draw(cls, chance: random.Random) -> Round:
        """Draw a round."""
        return cls(
            by_audit=chance.random() < 0.3,
            cause=chance.choice([None, "revoked", "revoked", "bad_request", "account_deleted", "admin_policy"]),
            delay=chance.choice([0.0, chance.uniform(0, 0.15)]),
            when=chance.choice(["before", "after"]),
            lost=chance.random() < 0.1,
            head_start=chance.uniform(-0.25, 0.05),
            pause=chance.choice([0.0, chance.uniform(0, 0.25)]),
        )


@dataclass(frozen=True, kw_only=True)
class Consented:
    """What a re-authentication put in place, and what it found there."""

    refresh_token: str = field(repr=False)
    access_token: str = field(repr=False)
    found_state: str
    found_access: str | None = field(repr=False)


@dataclass
class Races:
    """What all rounds came to."""

    rounds: int = 0
    violations: list[str] = field(default_factory=list)
    interleavings: Counter[Interleaving] = field(default_factory=Counter)
    lost_answers: int = 0

    def __str__(self) -> str:
        """Say what happened."""
        happened = ", ".join(f"{count} x {name}" for name, count in self.interleavings.most_common())
        return f"{self.rounds} rounds, {self.lost_answers} answers lost, {len(self.violations)} violations: {happened}"


def refresh(world: World, *, address: str) -> str:
    """Get a token as a task does; return the name of the error there was, or nothing."""
    try:
        world.tokens(read_timeout=world.settings.read_timeout).get_token(address)
    except GrantError as error:
        return type(error).__name__
    return ""


def audit_one(world: World, *, mailbox_id: int) -> str:
    """Probe one grant as the audit does."""
    from gmail_warmup.audit.pipeline import Audit

    Audit(world.store, world.client, world.settings, actor=world.actor, force=True).run([mailbox_id])
    return ""


def reauthenticate(world: World, *, address: str, mailbox_id: int, cause: str | None, pause: float) -> Consented:
    """Let the old grant die, sign in, and put the new grant in place, as the callback of a consent does."""
    if cause:
        world.sandbox.revoke_grants(address, cause=cause)
    time.sleep(pause)
    new = world.sandbox.grant(address, CLIENT_ID, scopes=[SCOPE])
    verdict = TokenResult(
        reason=REASONS["ok"],
        access_token=new.access_token,
        expires_in=3599,
        refresh_token=new.refresh_token,
        scopes=(SCOPE,),
    )
    with world.store.engine.begin() as connection:
        found = connection.execute(
            sa.select(_G.state, _G.access_token).where(_G.mailbox_id == mailbox_id).with_for_update()
        ).one()
        world.store.store_consent(connection, mailbox_id, verdict, client_id=CLIENT_ID, elapsed=0, actor=world.actor)
    return Consented(
        refresh_token=new.refresh_token,
        access_token=new.access_token,
        found_state=found.state,
        found_access=found.access_token,
    )


class Pair:
    """One mailbox, and the two processes that race for it."""

    def __init__(self, world: World, google: httpx.Client, number: int, refresher: Worker, person: Worker) -> None:
        self._world, self._google, self._refresher, self._person = world, google, refresher, person
        self._address = f"raced-{number}@pool.example"
        self._mailbox_id = world.add(self._address)
        self._fault = self._event = self._request = 0
        self._access: str | None = None

    def begin(self, drawn: Round) -> None:
        """Set the scene and let both processes go."""
        self._drawn = drawn
        self._set_scene(drawn)
        at = soon(0.02)
        late, early = at + max(0.0, drawn.head_start), at + max(0.0, -drawn.head_start)
        if drawn.by_audit:
            self._refresher.order(audit_one, at=late, mailbox_id=self._mailbox_id)
        else:
            self._refresher.order(refresh, at=late, address=self._address)
        self._person.order(
            reauthenticate,
            at=early,
            address=self._address,
            mailbox_id=self._mailbox_id,
            cause=drawn.cause,
            pause=drawn.pause,
        )

    def finish(self, races: Races) -> None:
        """Wait for both; note what happened and what was wrong with it."""
        consented: Consented = self._person.result()
        error: str = self._refresher.result()
        self._world.sandbox.clear_faults(self._fault)
        requests = self._world.sandbox.token_requests(self._address, after=self._request)
        self._request = max((request.id for request in requests), default=self._request)
        races.rounds += 1
        races.interleavings[self._interleaving(consented, requests)] += 1
        races.lost_answers += sum(request.status is None for request in requests)
        races.violations += self._violations(consented, error)

    def _set_scene(self, drawn: Round) -> None:
        fault: dict[str, Any] = {"close": True} if drawn.lost else {}
        self._fault = self._world.sandbox.add_fault(
            "token", address=self._address, times=1, delay_ms=drawn.delay * 1000 + 0.1, when=drawn.when, **fault
        ).id
        expire = (
            sa.update(_G)
            .where(_G.mailbox_id == self._mailbox_id)
            .values(access_expires_at=sa.func.now())
            .returning(_G.access_token)
        )
        last = sa.select(sa.func.max(GrantEvent.id)).where(GrantEvent.mailbox_id == self._mailbox_id)
        with self._world.store.engine.begin() as connection:
            self._access = connection.execute(expire).scalar_one()
            self._event = connection.execute(last).scalar_one()

    def _interleaving(self, consented: Consented, requests: Sequence[TokenRequestOut]) -> Interleaving:
        if consented.found_state != GrantState.ACTIVE:
            return Interleaving.REFUSAL_WON
        if consented.found_access != self._access:
            return Interleaving.REFRESH_WON
        if not requests:
            return Interleaving.REAUTH_FIRST
        return Interleaving.LATE_TOKEN if requests[-1].status == 200 else Interleaving.LATE_REFUSAL

    def _violations(self, consented: Consented, error: str) -> list[str]:
        drawn, grant = self._drawn, self._world.grant(self._address)
        decrypt = self._world.store.cipher.decrypt
        stored = decrypt(grant.secret_owner, grant.refresh_token or "")
        access = decrypt(grant.secret_owner, grant.access_token) if grant.access_token else ""
        told = error in ("FlaggedGrantError", "SuspectGrantError") and consented.found_state == GrantState.ACTIVE
        wrong = {
            "the newest refresh token is not the stored one": stored != consented.refresh_token,
            "Google refuses the stored access token": not self._works(access),
            # An audit that is told to ask may well refresh the new grant; a task finds a valid token.
            "the access token is not the new grant's": not drawn.by_audit and access != consented.access_token,
            f"the state is {grant.state}": grant.state is not GrantState.ACTIVE,
            "the newer grant was flagged": self._flagged_after_consent(),
            f"a task was told {error} about a living grant": told,
        }
        return [f"{what}: {drawn}" for what, is_so in wrong.items() if is_so]

    def _works(self, access_token: str) -> bool:
        header = {"Authorization": f"Bearer {access_token}"}
        return access_token != "" and self._google.get("/gmail/v1/users/me/profile", headers=header).is_success

    def _flagged_after_consent(self) -> bool:
        query = (
            sa.select(GrantEvent.to_state, GrantEvent.reason)
            .where(GrantEvent.mailbox_id == self._mailbox_id, GrantEvent.id > self._event)
            .order_by(GrantEvent.id)
        )
        with self._world.store.engine.begin() as connection:
            events = connection.execute(query).all()
        consents = [number for number, event in enumerate(events) if event.reason == "consent"]
        return any(event.to_state != GrantState.ACTIVE for event in events[consents[-1] :])


@contextmanager
def pairs(world: World, workers: Sequence[Worker]) -> Iterator[list[Pair]]:
    """Make a pair of every two workers."""
    with httpx.Client(base_url=world.sandbox.base_url, trust_env=False) as google:
        couples = zip(workers[::2], workers[1::2], strict=True)
        yield [Pair(world, google, number, *couple) for number, couple in enumerate(couples)]


def race(world: World, workers: Sequence[Worker], *, rounds: int, seed: int) -> Races:
    """Race in an empty world, all pairs at once, until there were so many rounds."""
    chance, races = random.Random(seed), Races()
    with pairs(world, workers) as racing:
        while races.rounds < rounds:
            going = racing[: rounds - races.rounds]
            for pair in going:
                pair.begin(Round.draw(chance))
            for pair in going:
                pair.finish(races)
    return races
