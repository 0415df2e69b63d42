"""Every command with --json prints one document on stdout and nothing else, whatever it has to say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import typer

from gmail_warmup.cli import app
from support.webhook_kit import SECRET
from support.workspace import ADMIN, ROBOT, connect_directory
from support.world import World

ADA, EVE = "ada@pool.example", "eve@pool.example"
CASES: dict[str, tuple[str, ...]] = {
    "doctor": (),
    "dns": (),
    "mailboxes list": (),
    "mailboxes add": ("new@pool.example", "--kind", "pool"),
    "mailboxes pause": (ADA, "--reason", "why"),
    "mailboxes resume": (ADA,),
    "mailboxes invite": (ADA,),
    "mailboxes requalify": (ADA,),
    "mailboxes schedule show": (ADA,),
    "mailboxes schedule set": (ADA, "--value", "ramp_cap=9"),
    "mailboxes readiness": (),
    "mailboxes assign": (ADA, "--owner", "olivia@example.com"),
    "mailboxes tags": (),
    "mailboxes sync": ("--delegated", "--admin", ADMIN, "--kind", "pool"),
    "mailboxes export-data": ("{folder}", ADA),
    "mailboxes rename": (ADA, EVE, "--without-check"),
    "mailboxes remove": (ADA, "--confirm", ADA),
    "mailboxes removals": (),
    "content lint": (),
    "stats": (),
    "backlog": (),
    "changes": (),
    "report": (),
    "upkeep": (),
    "stop": ("--reason", "why"),
    "start": (),
    "mailboxes import": ("{file}",),
    "mailboxes export": ("{file}", "--force"),
    "move-in database": ("former_system", "--table", "their_accounts"),
    "move-in tokens": ("{tokens}", "--kind", "pool"),
    "invites list": (),
    "invites revoke": ("1",),
    "webhooks receivers": (),
    "webhooks list": (),
    "webhooks test": ("desk",),
    "webhooks repeat": ("1",),
    "clients list": (),
    "clients set": ("second", "--user-limit", "100", "--tag", "brand"),
    "clients move": ("second", "--dry-run"),
    "clients retire": ("second",),
    "clients reopen": ("second",),
    "grants show": (ADA,),
    "grants events": (ADA,),
    "grants refresh": (ADA,),
    "grants audit": (),
    "grants rotate": (),
}
NEEDS_PERSON = ("doctor", "move-in database", "move-in tokens", "webhooks test", "webhooks repeat")
"""The doctor, since the tests' role is a superuser; accounts without a grant; a receiver with a private address."""


def with_json(command: Any, *name: str) -> set[str]:
    group = getattr(command, "commands", None)
    if group is not None:
        return set().union(*(with_json(inner, *name, part) for part, inner in group.items()))
    return {" ".join(name)} if any("--json" in parameter.opts for parameter in command.params) else set()


def test_every_command_with_json_is_tried():
    assert with_json(typer.main.get_command(app)) == set(CASES)


def offer_accounts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    url = world.store.engine.url
    with world.store.engine.begin() as connection:
        connection.execute(
            sa.text("CREATE TABLE IF NOT EXISTS their_accounts (email text, kind text, oauth_token json)")
        )
        connection.execute(sa.text("DELETE FROM their_accounts"))
        connection.execute(sa.text("INSERT INTO their_accounts VALUES (:address, 'pool', NULL)"), {"address": EVE})
    extra = {"conn_type": "postgres", "login": url.username, "schema": url.database, "extra": dict(url.query)}
    monkeypatch.setenv("AIRFLOW_CONN_FORMER_SYSTEM", json.dumps(extra))


def offer_receiver(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    value = {"conn_type": "gmail_webhook", "host": "https://127.0.0.1:9/", "password": SECRET}
    monkeypatch.setenv("AIRFLOW_CONN_DESK", json.dumps(value))
    world.settings = world.settings.model_copy(update={"webhook_conn_ids": "desk"})


@pytest.mark.parametrize("name", CASES)
def test_it_is_one_document(world: World, shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    world.add(ADA)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://localhost:8080")
    if name.startswith("invites "):
        shell("mailboxes", "invite", ADA)
    if name.startswith("webhooks "):
        offer_receiver(world, monkeypatch)
        shell("webhooks", "test", "desk", code=1)
    if name.startswith("clients "):
        value = {"conn_type": "gmail_oauth_client", "login": "client-2.apps.example.com", "password": "GOCSPX-2"}
        monkeypatch.setenv("AIRFLOW_CONN_SECOND", json.dumps(value))
        shell("clients", "set", "second")
    file = tmp_path / "mailboxes.csv"
    file.write_text(f"address,kind\n{ADA},pool\n")
    tokens = tmp_path / f"{EVE}.json"
    tokens.write_text("{}")
    if name == "move-in database":
        offer_accounts(world, monkeypatch)
    if name == "mailboxes sync":
        connect_directory(world, world.sandbox.put_service_account(ROBOT), monkeypatch)
    words = [word.format(file=file, tokens=tokens, folder=tmp_path) for word in CASES[name]]
    assert shell.json(*name.split(), *words, code=1 if name in NEEDS_PERSON else 0) is not None
