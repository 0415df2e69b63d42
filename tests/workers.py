"""A hook as a task has one, without Airflow's Connections behind it."""

from __future__ import annotations

from gmail_warmup.gmail.hook import GmailHook
from gmail_warmup.services import Services
from world import World


def services(world: World) -> Services:
    """Return services on the test's database and Google's stand-in."""
    made = Services(world.actor)
    # functools.cached_property keeps its value in the instance: what is there already is not looked up in Airflow.
    made.__dict__.update(settings=world.settings, engine=world.store.engine, client=world.client, store=world.store)
    return made


def hook(world: World, address: str) -> GmailHook:
    """Return a hook for a mailbox."""
    return GmailHook(address, services=services(world))
