"""Checks on the stored grants: their keys, what concerns many of them at once, permission, lifetime."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from gmail_warmup.alerts.text import format_time
from gmail_warmup.core.text import join_first, pluralize
from gmail_warmup.crypto import key_check
from gmail_warmup.crypto.fernet_keys import load_airflow_keys
from gmail_warmup.crypto.key_rotation import inspect_key_usage
from gmail_warmup.db.models import Breaker, GrantState, IncidentKind, OAuthGrant
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.result import CheckOutcome, Status
from gmail_warmup.oauth.incidents import list_open_incidents
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import SUFFICIENT_SCOPES

_NOT_FLAGGED = OAuthGrant.state.in_((GrantState.ACTIVE, GrantState.SUSPECT))
_TESTING_LIFETIME = (timedelta(days=6.5), timedelta(days=8.5))
"""Age at which a grant of an app in Testing is found dead: seven days, and until a daily audit notices it."""
_EXPIRY_CODES = ("expired_or_revoked", "expired_as_foretold", "expired_in_testing")
_PERSISTENT_INCIDENTS = (IncidentKind.APP_ERROR, IncidentKind.UNREADABLE)
"""Incidents that do not end by themselves."""
_MASS_REFUSAL_STEP = "Nothing yet: a second pass decides."


def check_stored_secrets(ground: DoctorContext) -> CheckOutcome:
    """Decrypt every stored secret, and look under which key it is."""
    keys = load_airflow_keys()
    found = inspect_key_usage(ground.services.engine, keys)
    total = found.newest + found.former
    if found.unreadable:
        step = "Put the former key behind the new one in AIRFLOW__CORE__FERNET_KEY; then: gmail-warmup grants rotate"
        return Status.PROBLEM, f"No key reads the secrets of {_format_mailboxes(found.unreadable)}.", step
    with ground.services.engine.connect() as connection:
        key_check.check_key(connection, keys.cipher)
    if found.former:
        step = "Run: gmail-warmup grants rotate"
        return Status.WARNING, f"{found.former} of {total} stored secrets are under a former key.", step
    return Status.OK, f"All {total} can be read, and are under the newest key." if total else "None yet."


def check_incidents(ground: DoctorContext) -> CheckOutcome:
    """Show what is wrong with many mailboxes at once."""
    with ground.services.engine.connect() as connection:
        found = list_open_incidents(connection)
    if not found:
        return Status.OK, "None is open."
    says, steps = [], []
    for incident in found:
        reason = REASONS[incident.reason]
        of = f" of {incident.key}" if incident.key else ""
        says.append(
            f"{incident.kind.replace('_', ' ').capitalize()}{of} since {format_time(incident.opened_at)}: "
            f"{reason.message}"
        )
        steps.append(_MASS_REFUSAL_STEP if incident.kind == IncidentKind.MASS_REFUSAL else reason.remedy)
    lasting = any(incident.kind in _PERSISTENT_INCIDENTS for incident in found)
    return Status.PROBLEM if lasting else Status.WARNING, " ".join(says), " ".join(dict.fromkeys(steps))


def check_circuit_breaker(ground: DoctorContext) -> CheckOutcome:
    """Show whether Google is asked at all."""
    query = sa.select(Breaker.client_id, Breaker.reason, Breaker.cooldown_until).where(Breaker.opened_at.is_not(None))
    found = ground.fetch_rows(query.order_by(Breaker.client_id))
    if not found:
        return Status.OK, "Google is asked."
    says = [
        f"Google is not asked for {row.client_id}"
        + (f" until {format_time(row.cooldown_until)}" if row.cooldown_until else "")
        + f": {REASONS[row.reason or 'unreachable'].message}"
        for row in found
    ]
    steps = dict.fromkeys(REASONS[row.reason or "unreachable"].remedy for row in found)
    return Status.PROBLEM, " ".join(says), " ".join(steps)


def check_scopes(ground: DoctorContext) -> CheckOutcome:
    """Look for grants without the Gmail permission; of an imported one the scopes may be unknown."""
    enough = sa.cast(list(SUFFICIENT_SCOPES), OAuthGrant.scopes.type)
    lacking = ground.find_addresses(
        _NOT_FLAGGED, sa.func.cardinality(OAuthGrant.scopes) > 0, ~OAuthGrant.scopes.overlap(enough)
    )
    if lacking:
        step = "Re-authenticate them on the page 'Gmail accounts' and leave the box for Gmail ticked."
        return Status.WARNING, f"{len(lacking)} grants lack the Gmail permission: {join_first(lacking)}.", step
    return Status.OK, "Every grant with known scopes has the Gmail permission."


def check_publishing_status(ground: DoctorContext) -> CheckOutcome:
    """Recognise the seven days that Google gives to an app in Testing: foretold, or seen from the dead."""
    announced = OAuthGrant.refresh_expires_at - OAuthGrant.granted_at
    lived = OAuthGrant.state_since - OAuthGrant.granted_at
    mortal = ground.find_addresses(_NOT_FLAGGED, announced.between(timedelta(days=6.5), timedelta(days=7.5)))
    dead = ground.find_addresses(
        OAuthGrant.state == GrantState.NEEDS_REAUTH,
        OAuthGrant.reason.in_(_EXPIRY_CODES),
        lived.between(*_TESTING_LIFETIME),
    )
    if not mortal and not dead:
        return Status.OK, "No grant ends after seven days."
    says = []
    if mortal:
        says.append(f"The grants of {_format_mailboxes(mortal)} end seven days after their consent.")
    if dead:
        says.append(f"The grants of {_format_mailboxes(dead)} died at the age of seven days.")
    says.append("The OAuth app seems to be in 'Testing'.")
    step = "Publish it in the Google Cloud console (OAuth consent screen), then re-authenticate them."
    return Status.WARNING, " ".join(says), step


def _format_mailboxes(addresses: list[str]) -> str:
    return f"{pluralize(len(addresses), 'mailbox')} ({join_first(addresses)})"
