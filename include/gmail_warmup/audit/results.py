"""What an audit found: written many at a time, counted, and told to the breaker."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gmail_warmup.core.enums import AnswerClass
from gmail_warmup.core.log_context import event
from gmail_warmup.core.metrics import NO_METER, REFRESH, REFRESH_TIME, Meter
from gmail_warmup.db.models import GrantState, MailboxAuth
from gmail_warmup.oauth import mass_refusal
from gmail_warmup.oauth.access_tokens import in_context, log_refusal
from gmail_warmup.oauth.circuit_breaker import AT_ONCE, Breaker, Outcome
from gmail_warmup.oauth.delegation_errors import reason_for
from gmail_warmup.oauth.grant_store import Actor, GrantStore, StoredGrant
from gmail_warmup.oauth.grant_updates import Write
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import Verdict

log = logging.getLogger(__name__)


@dataclass
class AuditResult:
    """What an audit found; counts of mailboxes by outcome."""

    counts: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    """Answers that are not in the table, by status and error code."""
    stopped: str | None = None
    """The reason code for which Google was not asked about some."""

    @property
    def app_error(self) -> str | None:
        """Return the reason code, if Google refused the OAuth client or our request."""
        return self.stopped if self.stopped and REASONS[self.stopped].answer is AnswerClass.APP else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, small enough for XCom."""
        return {
            "counts": {name: count for name, count in self.counts.items() if count},
            "unknown": dict(self.unknown),
            "stopped": self.stopped,
        }


@dataclass(frozen=True, kw_only=True)
class Found:
    """One grant with its verdict; ``elapsed`` are the seconds since the request was sent."""

    grant: StoredGrant
    verdict: Verdict
    elapsed: float = 0.0

    @property
    def is_delegated(self) -> bool:
        """Tell whether a service account reaches the mailbox, and no grant."""
        return self.grant.auth is MailboxAuth.DELEGATED


class Findings:
    """Take findings in batches.

    Args:
        breaker: of the OAuth client.
        delegated: the breaker of the service account, where there is one.
        holder: of the leases, which are given back.
    """

    def __init__(
        self,
        store: GrantStore,
        breaker: Breaker,
        *,
        delegated: Breaker | None = None,
        client_id: str,
        actor: Actor,
        holder: str,
        meter: Meter = NO_METER,
    ) -> None:
        self._store, self._breaker, self._delegated, self._meter = store, breaker, delegated, meter
        self._client_id, self._actor, self._holder = client_id, actor, holder
        self.result = AuditResult()

    def record(self, batch: Sequence[Found]) -> None:
        """Write a batch: tokens and refusals together; what says nothing about a grant only gives its lease back."""
        batch = self._in_context(batch)
        self._measure([found for found in batch if found.verdict.asked])
        self._tell_breaker(self._breaker, [found for found in batch if not found.is_delegated])
        if self._delegated:
            self._tell_breaker(self._delegated, [found for found in batch if found.is_delegated])
        writes = [write for found in batch if (write := self._write(found))]
        written = self._store.record(writes, actor=self._actor)
        for write in writes:
            self._count(write, kept=write.grant.mailbox_id in written)
        unsaid = [found for found in batch if not _says_something(found.verdict)]
        for found in unsaid:
            self._not_reached(found)
        if unsaid:
            self._store.release([found.grant.mailbox_id for found in unsaid], holder=self._holder)

    def _measure(self, asked: Sequence[Found]) -> None:
        for answer, number in Counter(found.verdict.reason.answer for found in asked).items():
            self._meter.count(REFRESH, answer, number)
        for found in asked:
            if found.elapsed:
                self._meter.time(REFRESH_TIME, found.elapsed)

    def _tell_breaker(self, breaker: Breaker, batch: Sequence[Found]) -> None:
        asked = [found for found in batch if found.verdict.asked]
        for found in asked:
            if found.verdict.reason.code in AT_ONCE and not self.result.stopped:
                self.result.stopped = found.verdict.reason.code
        # A pause that Google asks for is the pacer's business here.
        breaker.note(
            Outcome(mailbox_id=found.grant.mailbox_id, reason=found.verdict.reason)
            for found in asked
            if found.verdict.reason.answer is not AnswerClass.THROTTLED
        )

    def _in_context(self, batch: Sequence[Found]) -> list[Found]:
        works = self._breaker.works_lately or any(
            found.verdict.reason.answer is AnswerClass.OK and not found.is_delegated for found in batch
        )
        return [dataclasses.replace(found, verdict=self._meaning(found, works)) for found in batch]

    def _meaning(self, found: Found, works: bool) -> Verdict:
        if found.is_delegated:
            return dataclasses.replace(found.verdict, reason=reason_for(found.grant, found.verdict.reason))
        return in_context(found.verdict, found.grant, self._client_id, works_lately=works)

    def _write(self, found: Found) -> Write | None:
        if found.verdict.reason.answer is AnswerClass.OK:
            if found.is_delegated:
                return Write(grant=found.grant, state=GrantState.ACTIVE, verified=True)
            return self._store.success(found.grant, found.verdict, elapsed=found.elapsed, client_id=self._client_id)
        if not _says_something(found.verdict):
            return None
        write = self._store.refusal(found.grant, found.verdict.reason)
        # Who was healthy is not condemned before the whole audit is in: grants.verdicts.
        return self._store.held(write, None) if mass_refusal.guarded(found.grant, found.verdict.reason) else write

    def _count(self, write: Write, *, kept: bool) -> None:
        if not kept:
            self.result.counts["valid"] += 1  # a person re-authenticated it meanwhile
        elif write.state is GrantState.ACTIVE:
            self.result.counts["refreshed"] += 1
            log.debug("Updated OAuth token for account %s", write.grant.address)
        else:
            self.result.counts[write.state.value] += 1
            log_refusal(write)

    def _not_reached(self, found: Found) -> None:
        reason, detail, address = found.verdict.reason, found.verdict.detail, found.grant.address
        self.result.counts[NOT_REACHED[reason.answer]] += 1
        if reason.code in ("unknown_answer", "not_json"):
            self.result.unknown[detail] += 1
        if found.verdict.asked or reason.answer is AnswerClass.LOCAL:
            text, seen = "%s: %s %s[%s]", f"{detail} " if detail else ""
            fields = {"mailbox": address, "reason_code": reason.code}
            event(log, logging.WARNING, text, address, reason.sentence, seen, reason.code, **fields)


NOT_REACHED = {
    AnswerClass.APP: "app_error",
    AnswerClass.LOCAL: "unreadable",
    AnswerClass.TRANSIENT: "transient",
    AnswerClass.THROTTLED: "throttled",
}
"""Under which name an audit counts the mailboxes about which it learned nothing, by class of the answer."""


def _says_something(verdict: Verdict) -> bool:
    """Tell whether an answer is about the grant, rather than about Google, the network or the client."""
    return verdict.reason.state is not None
