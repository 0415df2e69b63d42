"""The checks on top of the overview: whether everything works, and what does not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core.enums import GrantState
from gmail_warmup.web.queries.dag_runs import DagActivity
from gmail_warmup.web.views.fleet import Fleet
from gmail_warmup.web.views.overview import Overview

_AUDIT_AGE = timedelta(hours=26)
"""The audit runs daily and takes up to some hours."""
_WAITING_TIME = timedelta(hours=1)


class Tone(StrEnum):
    """The result of a check; the value is the colour of its chip."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


class Check(BaseModel):
    """One check."""

    model_config = ConfigDict(frozen=True)

    name: str
    tone: Tone = Field(description="`good`, `warn`: look at it when you have time, `bad`: act now.")
    text: str


def run_checks(fleet: Fleet, overview: Overview, dags: Sequence[DagActivity]) -> list[Check]:
    """Return the result of every check."""
    found = [
        ("Sending", *_check_sending(overview)),
        ("Grants", *_check_grants(fleet)),
        ("Health", *_check_health(fleet)),
        ("Domains", *_check_domains(overview)),
        ("Pool", *_check_pool(fleet)),
        ("Backlog", *_check_backlog(fleet)),
        ("Audit", *_check_audit(fleet)),
        *(("DAG runs", *_check_dags(dags)) for _ in dags[:1]),
    ]
    return [Check(name=name, tone=tone, text=text) for name, tone, text in found]


def count_noun(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 'es' if noun.endswith('x') else 's'}"


_Result = tuple[Tone, str]


def _check_sending(overview: Overview) -> _Result:
    if overview.stopped:
        return Tone.BAD, f"Stopped by {overview.stopped.by}."
    if overview.incidents:
        return Tone.BAD, f"{count_noun(len(overview.incidents), 'open incident')}."
    return Tone.GOOD, "Not stopped, no open incident."


def _check_grants(fleet: Fleet) -> _Result:
    if fleet.needy_count:
        return Tone.BAD, f"{count_noun(fleet.needy_count, 'mailbox')} need{'s' * (fleet.needy_count == 1)} a person."
    if suspect := fleet.states[GrantState.SUSPECT]:
        return Tone.WARN, f"{count_noun(suspect, 'mailbox')} refused once; a second probe decides."
    return Tone.GOOD, f"{count_noun(fleet.mailboxes, 'grant')}, none needs a person."


def _check_health(fleet: Fleet) -> _Result:
    if fleet.restricted:
        verb = "sends" if fleet.restricted == 1 else "send"
        return Tone.WARN, f"{count_noun(fleet.restricted, 'mailbox')} {verb} less because of spam or bounces."
    return Tone.GOOD, "No mailbox is restricted."


def _check_domains(overview: Overview) -> _Result:
    if overview.closed:
        return Tone.BAD, f"{count_noun(len(overview.closed), 'domain')} not sent from because of DNS records."
    return Tone.GOOD, "No domain is closed."


def _check_pool(fleet: Fleet) -> _Result:
    if fleet.pool.missing:
        return Tone.BAD, f"{count_noun(fleet.pool.missing, 'pool mailbox')} missing for today's mails."
    if fleet.pool.missing_later:
        return Tone.WARN, f"{count_noun(fleet.pool.missing_later, 'pool mailbox')} missing at the end of the ramp."
    return Tone.GOOD, "Large enough, also at the end of the ramp."


def _check_backlog(fleet: Fleet) -> _Result:
    late = [one for one in fleet.backlog if one.mailboxes and one.since and fleet.at - one.since > _WAITING_TIME]
    if late:
        actions = ", ".join(one.action.value for one in late)
        return Tone.WARN, f"Mailboxes wait for more than an hour: {actions}."
    return Tone.GOOD, "No mailbox waits for more than an hour."


def _check_audit(fleet: Fleet) -> _Result:
    if not fleet.audits:
        return Tone.WARN, "No audit has finished yet."
    if fleet.at - fleet.audits[0].finished_at > _AUDIT_AGE:
        return Tone.WARN, "The last audit is older than a day."
    return Tone.GOOD, "Finished within the last day."


def _check_dags(dags: Sequence[DagActivity]) -> _Result:
    if failed := [dag.dag_id for dag in dags if dag.last_failed]:
        return Tone.BAD, f"The last run failed: {', '.join(failed)}."
    if idle := [dag.dag_id for dag in dags if not dag.runs]:
        return Tone.WARN, f"No run has finished in the period: {', '.join(idle)}."
    return Tone.GOOD, "The last runs succeeded."
