"""Run the checks, each after those that it makes no sense without."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gmail_warmup.airflow.services import Services
from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.doctor import content, domains, google, grants, installation
from gmail_warmup.doctor.context import Ground
from gmail_warmup.doctor.result import Check, Finding, Status

_CHECKS: tuple[tuple[str, Callable[[Ground], Finding], tuple[str, ...]], ...] = (
    ("settings", installation.settings, ()),
    ("Fernet key", installation.fernet_key, ()),
    ("database", installation.database, ("settings", "Fernet key")),
    ("stored secrets", grants.stored_secrets, ("database",)),
    ("schema", installation.schema, ("database",)),
    ("database role", installation.role, ("database",)),
    ("database clock", installation.database_clock, ("database",)),
    ("upkeep", installation.upkeep, ("database",)),
    ("pool", installation.pool, ("database",)),
    ("OAuth client", google.oauth_client, ("settings",)),
    ("token endpoint", google.token_endpoint, ("OAuth client",)),
    ("Google's clock", google.clock, ("token endpoint",)),
    ("redirect URI", google.redirect_uri, ()),
    ("incidents", grants.incidents, ("database",)),
    ("breaker", grants.breaker, ("database",)),
    ("scopes", grants.scopes, ("database",)),
    ("publishing status", grants.publishing_status, ("database",)),
    ("sending domains", domains.sending_domains, ("database",)),
    ("templates", content.templates, ("settings",)),
    ("text generator", content.text_generator, ("settings",)),
    ("alerts", installation.alerts, ("settings",)),
)
"""Each check with those that it makes no sense without."""


def examine(services: Services, *, airflow_engine: sa.Engine | None = None) -> list[Check]:
    """Run every check; one whose ground is missing says so instead.

    Args:
        airflow_engine: reaches Airflow's own tables; by default Airflow's, where this process has one.
    """
    return list(_examine(Ground(services, airflow_engine or _engine_of_airflow())))


def _examine(ground: Ground) -> Iterator[Check]:
    failed: set[str] = set()
    for name, look, needs in _CHECKS:
        missing = failed.intersection(needs)
        if missing:
            finding: Finding = (Status.WARNING, f"Not checked: {', '.join(sorted(missing))} comes first.")
        else:
            finding = _look(ground, look)
        if missing or finding[0] is Status.PROBLEM:
            failed.add(name)
        status, found, *step = finding
        yield Check(name=name, status=status, found=found, step="".join(step))


def _look(ground: Ground, look: Callable[[Ground], Finding]) -> Finding:
    try:
        return look(ground)
    except GmailWarmupError as error:
        return Status.PROBLEM, str(error)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        return Status.PROBLEM, f"The database refuses it: {reason}", "Run: airflow db migrate && gmail-warmup init"


def _engine_of_airflow() -> sa.Engine | None:
    from airflow import settings

    return settings.engine
