"""Checks on the stored grants: their keys, what concerns many of them at once, permission, lifetime."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from gmail_warmup.alerts.text import moment
from gmail_warmup.core.text import counted, some
from gmail_warmup.crypto import key_check
from gmail_warmup.crypto.fernet_keys import airflow_keys
from gmail_warmup.crypto.key_rotation import survey
from gmail_warmup.db.models import Breaker, GrantState, IncidentKind, OAuthGrant
from gmail_warmup.doctor.context import Ground
from gmail_warmup.doctor.result import Finding, Status
from gmail_warmup.oauth.incidents import open_incidents
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import SCOPES_ENOUGH

_LIVING = OAuthGrant.state.in_((GrantState.ACTIVE, GrantState.SUSPECT))
_ABOUT_A_WEEK = (timedelta(days=6.5), timedelta(days=8.5))
"""Age at which a grant of an app in Testing is found dead: seven days, and until a daily audit notices it."""
_ENDED = ("expired_or_revoked", "expired_as_foretold", "expired_in_testing")
_STANDSTILL = (IncidentKind.APP_ERROR, IncidentKind.UNREADABLE)
"""Incidents that do not end by themselves."""
_HELD = "Nothing yet: a second pass decides."


def stored_secrets(ground: Ground) -> Finding:
    """Decrypt every stored secret, and look under which key it is."""
    keys = airflow_keys()
    found = survey(ground.services.engine, keys)
    total = found.newest + found.former
    if found.unreadable:
        step = "Put the former key behind the new one in AIRFLOW__CORE__FERNET_KEY; then: gmail-warmup grants rotate"
        return Status.PROBLEM, f"No key reads the secrets of {_mailboxes(found.unreadable)}.", step
    with ground.services.engine.connect() as connection:
        key_check.check(connection, keys.cipher)
    if found.former:
        step = "Run: gmail-warmup grants rotate"
        return Status.WARNING, f"{found.former} of {total} stored secrets are under a former key.", step
    return Status.OK, f"All {total} can be read, and are under the newest key." if total else "None yet."


def incidents(ground: Ground) -> Finding:
    """Show what is wrong with many mailboxes at once."""
    with ground.services.engine.connect() as connection:
        found = open_incidents(connection)
    if not found:
        return Status.OK, "None is open."
    says, steps = [], []
    for incident in found:
        reason = REASONS[incident.reason]
        of = f" of {incident.key}" if incident.key else ""
        says.append(
            f"{incident.kind.replace('_', ' ').capitalize()}{of} since {moment(incident.opened_at)}: {reason.sentence}"
        )
        steps.append(_HELD if incident.kind == IncidentKind.MASS_REFUSAL else reason.step)
    lasting = any(incident.kind in _STANDSTILL for incident in found)
    return Status.PROBLEM if lasting else Status.WARNING, " ".join(says), " ".join(dict.fromkeys(steps))


def breaker(ground: Ground) -> Finding:
    """Show whether Google is asked at all."""
    query = sa.select(Breaker.client_id, Breaker.reason, Breaker.quiet_until).where(Breaker.opened_at.is_not(None))
    found = ground.rows(query.order_by(Breaker.client_id))
    if not found:
        return Status.OK, "Google is asked."
    says = [
        f"Google is not asked for {row.client_id}"
        + (f" until {moment(row.quiet_until)}" if row.quiet_until else "")
        + f": {REASONS[row.reason or 'unreachable'].sentence}"
        for row in found
    ]
    steps = dict.fromkeys(REASONS[row.reason or "unreachable"].step for row in found)
    return Status.PROBLEM, " ".join(says), " ".join(steps)


def scopes(ground: Ground) -> Finding:
    """Look for grants without the Gmail permission; of an imported one the scopes may be unknown."""
    enough = sa.cast(list(SCOPES_ENOUGH), OAuthGrant.scopes.type)
    lacking = ground.addresses(_LIVING, sa.func.cardinality(OAuthGrant.scopes) > 0, ~OAuthGrant.scopes.overlap(enough))
    if lacking:
        step = "Re-authenticate them on the page 'Gmail accounts' and leave the box for Gmail ticked."
        return Status.WARNING, f"{len(lacking)} grants lack the Gmail permission: {some(lacking)}.", step
    return Status.OK, "Every grant with known scopes has the Gmail permission."


def publishing_status(ground: Ground) -> Finding:
    """Recognise the seven days that Google gives to an app in Testing: foretold, or seen from the dead."""
    announced = OAuthGrant.refresh_expires_at - OAuthGrant.granted_at
    lived = OAuthGrant.since - OAuthGrant.granted_at
    mortal = ground.addresses(_LIVING, announced.between(timedelta(days=6.5), timedelta(days=7.5)))
    dead = ground.addresses(
        OAuthGrant.state == GrantState.NEEDS_REAUTH, OAuthGrant.reason.in_(_ENDED), lived.between(*_ABOUT_A_WEEK)
    )
    if not mortal and not dead:
        return Status.OK, "No grant ends after seven days."
    says = []
    if mortal:
        says.append(f"The grants of {_mailboxes(mortal)} end seven days after their consent.")
    if dead:
        says.append(f"The grants of {_mailboxes(dead)} died at the age of seven days.")
    says.append("The OAuth app seems to be in 'Testing'.")
    step = "Publish it in the Google Cloud console (OAuth consent screen), then re-authenticate them."
    return Status.WARNING, " ".join(says), step


def _mailboxes(addresses: list[str]) -> str:
    return f"{counted(len(addresses), 'mailbox')} ({some(addresses)})"
