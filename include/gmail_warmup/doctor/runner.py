"""Run the checks in the order of their dependencies."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gmail_warmup.airflow.services import Services
from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.doctor import (
    addresses,
    clients,
    content,
    domains,
    google,
    grants,
    installation,
    owner_mails,
    stored_rows,
)
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.result import CheckOutcome, CheckResult, Status

_CHECKS: tuple[tuple[str, Callable[[DoctorContext], CheckOutcome], tuple[str, ...]], ...] = (
    ("settings", installation.check_settings, ()),
    ("Fernet key", installation.check_fernet_key, ()),
    ("database", installation.check_database, ("settings", "Fernet key")),
    ("stored secrets", grants.check_stored_secrets, ("database",)),
    ("stored rows", stored_rows.check_stored_rows, ("database",)),
    ("schema", installation.check_schema, ("database",)),
    ("database role", installation.check_role, ("database",)),
    ("database clock", installation.check_database_clock, ("database",)),
    ("upkeep", installation.check_maintenance, ("database",)),
    ("pool", installation.check_pool, ("database",)),
    ("DAGs", installation.check_dags, ("database",)),
    ("delegation", installation.check_delegation, ("database",)),
    ("OAuth client", google.check_oauth_client, ("settings",)),
    ("token endpoint", google.check_token_endpoint, ("OAuth client",)),
    ("other OAuth clients", clients.check_other_clients, ("database",)),
    ("places for users", clients.check_client_places, ("database",)),
    ("audit", google.check_audit_connection, ("OAuth client",)),
    ("Google's clock", google.check_google_clock, ("token endpoint",)),
    ("redirect URI", google.check_redirect_uri, ()),
    ("incidents", grants.check_incidents, ("database",)),
    ("breaker", grants.check_circuit_breaker, ("database",)),
    ("scopes", grants.check_scopes, ("database",)),
    ("publishing status", grants.check_publishing_status, ("database",)),
    ("addresses", addresses.check_duplicate_addresses, ("database",)),
    ("time zones", addresses.check_time_zones, ("database",)),
    ("sending domains", domains.check_domain_records, ("database",)),
    ("templates", content.check_templates, ("settings",)),
    ("languages", content.check_languages, ("database",)),
    ("text generator", content.check_text_generator, ("settings",)),
    ("alerts", installation.check_alert_connection, ("settings",)),
    ("owner mails", owner_mails.check_owner_mails, ("database",)),
)
"""Name, function and required checks."""


def run_checks(services: Services, *, airflow_engine: sa.Engine | None = None) -> list[CheckResult]:
    """Run every check; one whose context is missing says so instead.

    Args:
        airflow_engine: connects to Airflow's own tables. Default: Airflow's engine, if this process has one.
    """
    return list(_iter_results(DoctorContext(services, airflow_engine or _airflow_engine())))


def _iter_results(context: DoctorContext) -> Iterator[CheckResult]:
    failed: set[str] = set()
    for name, check, needs in _CHECKS:
        missing = failed.intersection(needs)
        if missing:
            finding: CheckOutcome = (Status.WARNING, f"Not checked: it requires {', '.join(sorted(missing))}.")
        else:
            finding = _run_check(context, check)
        if missing or finding[0] is Status.PROBLEM:
            failed.add(name)
        status, found, *step = finding
        yield CheckResult(name=name, status=status, found=found, step="".join(step))


def _run_check(context: DoctorContext, check: Callable[[DoctorContext], CheckOutcome]) -> CheckOutcome:
    try:
        return check(context)
    except GmailWarmupError as error:
        return Status.PROBLEM, str(error)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        return (
            Status.PROBLEM,
            f"The database reports an error: {reason}",
            "Run: airflow db migrate && gmail-warmup init",
        )


def _airflow_engine() -> sa.Engine | None:
    from airflow import settings

    return settings.engine
