"""Hooks and services for tests without Airflow's Connections, and those Connections for subprocesses."""

from __future__ import annotations

import json
from typing import Any

from gmail_warmup.airflow.gmail_hook import GmailHook
from gmail_warmup.airflow.services import Services
from support.world import World


def services(world: World) -> Services:
    """Return services on the test's database and Google's stand-in."""
    made = Services(world.actor)
    # functools.cached_property stores its value in the instance, so these are not read from Airflow.
    made.__dict__.update(
        settings=world.settings.model_copy(update={"gmail_api_endpoint": world.client.api_endpoint}),
        engine=world.store.engine,
        oauth_client=world.client,
        grant_store=world.store,
    )
    return made


def connections(world: World, **extra: Any) -> dict[str, str]:
    """Return both Connections as variables of Airflow's environment.

    Args:
        extra: changes of the extra of the OAuth client.
    """
    url, client = world.store.engine.url, world.client
    database = {"conn_type": "postgres", "login": url.username, "host": url.query["host"], "schema": url.database}
    found = {
        "conn_type": "gmail_oauth_client",
        "login": client.client_id,
        "password": client.secrets[0],
        "extra": {"token_uri": client.token_uri} | extra,
    }
    return {
        "AIRFLOW_CONN_GMAIL_WARMUP_DB": json.dumps(database),
        "AIRFLOW_CONN_GMAIL_OAUTH_CLIENT": json.dumps(found),
        "AIRFLOW__GMAIL_WARMUP__GMAIL_API_ENDPOINT": client.api_endpoint or "",
    }


def hook(world: World, address: str) -> GmailHook:
    """Return a hook for a mailbox."""
    return GmailHook(address, services=services(world))
