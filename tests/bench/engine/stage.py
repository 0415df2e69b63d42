"""One simulated world in this process: the product's code on a real database, Google's stand-in without sockets.

Only the edge differs from production: `GmailOperations` gets the stand-in's own methods in place of googleapiclient's,
and access tokens are not asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from bench.clock import DatabaseClock
from bench.engine.cast import Player, Script
from gmail_sandbox.clock import Clock
from gmail_sandbox.inprocess import Users
from gmail_sandbox.mailbox import Mailbox as Box
from gmail_sandbox.settings import Settings as SandboxSettings
from gmail_sandbox.state import World
from gmail_warmup.core.enums import Action
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.engine import make_engine
from gmail_warmup.db.models import GrantState, Mailbox, OAuthGrant
from gmail_warmup.gmail.client import GmailClient, GmailResources
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord, MailboxSettings

_LONG_AGO = timedelta(days=3)
"""So long before the start the mailboxes were added and granted."""


class StoppedClock(Clock):
    """A clock that shows what it is told."""

    moment = 0.0

    def now(self) -> float:
        """Return the moment."""
        return self.moment


class InProcessGmail(GmailClient):
    """The operations on one mailbox of a stand-in in this process."""

    def __init__(self, google: World, address: str, *, token_header: str) -> None:
        self.address, self.token_header = address, token_header
        self.__dict__ |= {"_api": GmailResources.from_users(Users(google, address)), "_http": None}


def _engine(url: sa.URL) -> sa.Engine:
    """Return an engine as a task has one, but for losses of power, which no simulation outlives."""
    return make_engine(url.update_query_dict({"options": "-c synchronous_commit=off"}))


@dataclass(frozen=True, kw_only=True)
class TaskRun:
    """A task that Airflow would have run: when, what, and in which mailbox."""

    at: datetime
    action: Action
    address: str


class Stage:
    """The database, Google and the mailboxes, at one moment.

    Attributes:
        tasks: all that were run.
        google: the stand-in's world.
        mailboxes: as the product knew them at the start, by address.
    """

    def __init__(self, database_url: sa.URL, script: Script) -> None:
        self.script = script
        self.settings = Settings(**script.options)
        self.tasks: list[TaskRun] = []
        self.engine = _engine(database_url)
        self.google = World(SandboxSettings(seed=script.seed, spam_chance=script.spam_chance, units=False))
        self._clock, self._googles_clock = DatabaseClock(self.engine), StoppedClock()
        self.google.clock = self._googles_clock
        self.moment = script.start
        self.set_clocks(script.start - _LONG_AGO)
        for player in script.players:
            self._add(player)
        with self.engine.begin() as connection:
            self.mailboxes = {mailbox.address: mailbox for mailbox in repository.list_mailboxes(connection)}
        self._gmail = {address: self._operations(address) for address in self.mailboxes}

    def set_clocks(self, moment: datetime) -> None:
        """Let it be a moment, on both sides."""
        self.moment = moment
        self._clock.stop_at(moment)
        self._googles_clock.moment = moment.timestamp()

    def gmail(self, address: str) -> GmailClient:
        """Return the operations on a mailbox."""
        return self._gmail[address]

    def mailbox(self, address: str) -> MailboxRecord:
        """Return a mailbox as it was at the start."""
        return self.mailboxes[address]

    def let_spam_rise(self) -> None:
        """Let Gmail put the sick domain's mails in spam more often from now on."""
        self.google.settings.spam_chance_by_sender_domain = {self.script.sick_domain: self.script.sick_chance}

    def _operations(self, address: str) -> GmailClient:
        return InProcessGmail(self.google, address, token_header=self.settings.token_header)

    def _add(self, player: Player) -> None:
        self.google.mailboxes[player.address] = Box(player.address)
        chosen = MailboxSettings(
            kind=player.kind,
            daily_target=player.daily_target,
            open_rate=player.open_rate,
            reply_rate=player.reply_rate,
            timezone=player.zone,
        )
        with self.engine.begin() as connection:
            mailbox_id = repository.add_or_update(connection, player.address, chosen, actor="bench")
            granted = {"state": GrantState.ACTIVE, "reason": None, "granted_at": sa.func.now()}
            connection.execute(sa.update(OAuthGrant).where(OAuthGrant.mailbox_id == mailbox_id).values(granted))
            connection.execute(sa.update(Mailbox).where(Mailbox.id == mailbox_id).values(created_at=sa.func.now()))
