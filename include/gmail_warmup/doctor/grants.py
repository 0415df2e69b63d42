"""Checks of the stored grants: encryption, incidents, scopes, lifetime."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from gmail_warmup.airflow.encryption import load_fernet_keys
from gmail_warmup.alerts.text import format_time
from gmail_warmup.core.text import join_first, pluralize
from gmail_warmup.crypto import key_check
from gmail_warmup.crypto.key_rotation import inspect_key_usage
from gmail_warmup.db.clock import bound_time
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.models import Breaker, GrantState, IncidentKind, OAuthGrant
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.result import CheckOutcome, Status
from gmail_warmup.oauth.clients.names import load_client_names, name_client
from gmail_warmup.oauth.incidents import explain_incident, list_open_incidents, name_incident_client
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import SUFFICIENT_SCOPES

_NOT_FLAGGED = OAuthGrant.state.in_((GrantState.ACTIVE, GrantState.SUSPECT))
_TESTING_LIFETIME = (timedelta(days=6.5), timedelta(days=8.5))
"""Age at which an expired grant of an app in Testing is flagged: seven days, plus the delay of a daily audit."""
_EXPIRY_CODES = ("expired_or_revoked", "expired_as_foretold", "expired_in_testing")
_PERSISTENT_INCIDENTS = (IncidentKind.APP_ERROR, IncidentKind.UNREADABLE)
"""Incidents that do not resolve automatically."""
_MASS_REFUSAL_STEP = "No action yet: a second audit pass decides."


def check_stored_secrets(context: DoctorContext) -> CheckOutcome:
    """Decrypt every stored secret and report which key encrypted it."""
    keys = load_fernet_keys()
    usage = inspect_key_usage(context.services.engine, keys)
    total = usage.newest + usage.former
    if usage.unreadable:
        step = "Append the former key in AIRFLOW__CORE__FERNET_KEY, then run: gmail-warmup grants rotate"
        return Status.PROBLEM, f"No key decrypts the secrets of {_format_mailboxes(usage.unreadable)}.", step
    with read_transaction(context.services.engine) as connection:
        key_check.check_key(connection, keys.cipher)
    if usage.former:
        step = "Run: gmail-warmup grants rotate"
        return Status.WARNING, f"{usage.former} of {total} stored secrets are encrypted with a former key.", step
    return Status.OK, f"All {total} can be decrypted and use the newest key." if total else "None yet."


def check_incidents(context: DoctorContext) -> CheckOutcome:
    """Report the open incidents, which affect many mailboxes."""
    with read_transaction(context.services.engine) as connection:
        incidents, names = list_open_incidents(connection), load_client_names(connection)
    if not incidents:
        return Status.OK, "None is open."
    texts, steps = [], []
    for incident in incidents:
        reason = explain_incident(incident.kind, incident.reason, incident.key)
        owner = name_incident_client(incident.kind, incident.key, names) or incident.key
        title = incident.kind.replace("_", " ").capitalize() + (f" of {owner}" if owner else "")
        texts.append(f"{title} since {format_time(incident.opened_at)}: {reason.message}")
        steps.append(_MASS_REFUSAL_STEP if incident.kind == IncidentKind.MASS_REFUSAL else reason.remedy)
    lasting = any(incident.kind in _PERSISTENT_INCIDENTS for incident in incidents)
    return Status.PROBLEM if lasting else Status.WARNING, " ".join(texts), " ".join(dict.fromkeys(steps))


def check_circuit_breaker(context: DoctorContext) -> CheckOutcome:
    """Report whether the circuit breaker holds back token requests."""
    query = sa.select(Breaker.client_id, Breaker.reason, Breaker.cooldown_until).where(Breaker.opened_at.is_not(None))
    with read_transaction(context.services.engine) as connection:
        open_breakers = connection.execute(query.order_by(Breaker.client_id)).all()
        names = load_client_names(connection)
    if not open_breakers:
        return Status.OK, "Closed; token requests are sent."
    texts = [
        f"No token requests are sent for {name_client(row.client_id, names)}"
        + (f" until {format_time(row.cooldown_until)}" if row.cooldown_until else "")
        + f": {REASONS.look_up(row.reason, 'unreachable').message}"
        for row in open_breakers
    ]
    steps = dict.fromkeys(REASONS.look_up(row.reason, "unreachable").remedy for row in open_breakers)
    return Status.PROBLEM, " ".join(texts), " ".join(steps)


def check_scopes(context: DoctorContext) -> CheckOutcome:
    """Find grants without the Gmail scope. The scopes of imported grants may be unknown."""
    enough = sa.cast(list(SUFFICIENT_SCOPES), OAuthGrant.scopes.type)
    lacking = context.find_addresses(
        _NOT_FLAGGED, sa.func.cardinality(OAuthGrant.scopes) > 0, ~OAuthGrant.scopes.overlap(enough)
    )
    if lacking:
        step = "Re-authenticate them on the page 'Gmail accounts' and leave the checkbox for Gmail ticked."
        return (
            Status.WARNING,
            f"{pluralize(len(lacking), 'grant')} without the Gmail scope: {join_first(lacking)}.",
            step,
        )
    return Status.OK, "Every grant with known scopes has the Gmail scope."


def check_publishing_status(context: DoctorContext) -> CheckOutcome:
    """Detect the seven-day lifetime of grants of an app in Testing, announced or observed."""
    granted_at = bound_time(OAuthGrant.granted_at)
    announced = bound_time(OAuthGrant.refresh_expires_at) - granted_at
    age = bound_time(OAuthGrant.state_since) - granted_at
    announced_grants = context.find_addresses(_NOT_FLAGGED, announced.between(timedelta(days=6.5), timedelta(days=7.5)))
    expired_grants = context.find_addresses(
        OAuthGrant.state == GrantState.NEEDS_REAUTH,
        OAuthGrant.reason.in_(_EXPIRY_CODES),
        age.between(*_TESTING_LIFETIME),
    )
    if not announced_grants and not expired_grants:
        return Status.OK, "No grant expires after seven days."
    texts = []
    if announced_grants:
        texts.append(f"The grants of {_format_mailboxes(announced_grants)} expire seven days after their consent.")
    if expired_grants:
        texts.append(f"The grants of {_format_mailboxes(expired_grants)} expired after seven days.")
    texts.append("The OAuth app seems to be in 'Testing'.")
    step = "Publish it in the Google Cloud console (Google Auth Platform, Audience), then re-authenticate them."
    return Status.WARNING, " ".join(texts), step


def _format_mailboxes(addresses: list[str]) -> str:
    return f"{pluralize(len(addresses), 'mailbox')} ({join_first(addresses)})"
