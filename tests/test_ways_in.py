"""Every way in which a mailbox can be added or changed applies the same rules."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, ValidationError

from gmail_warmup.core.enums import CONSUMER_DOMAINS
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.bulk_edit import MailboxChanges
from gmail_warmup.mailboxes.records import MailboxSettings, validate_mailbox_settings
from gmail_warmup.oauth.consent.flow import ConsentFlow
from gmail_warmup.oauth.consent.states import BrowserSession
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.token_endpoint import OAuthClient, TokenEndpoint
from gmail_warmup.transfer import csv_format, import_preview, parser
from gmail_warmup.transfer.exporter import parse_backup
from gmail_warmup.transfer.importer import import_mailboxes
from gmail_warmup.transfer.migration_plan import Candidate, plan_migration
from gmail_warmup.web.api import router
from gmail_warmup.web.api.consents import ConsentIn
from gmail_warmup.web.api.mailboxes import MailboxIn

GMAIL, GOOGLEMAIL = CONSUMER_DOMAINS

PACKAGE = Path(__file__).parents[1] / "include" / "gmail_warmup"
Way = Callable[[GrantStore, str, dict[str, Any]], None]
"""Adds a mailbox with these settings, or raises an error."""


def add_by_api(store: GrantStore, address: str, settings: dict[str, Any]) -> None:
    body = MailboxIn.model_validate({"address": address, "settings": settings})
    with store.engine.begin() as connection:
        repository.add_or_update(connection, body.address, body.settings, actor="test")


def add_by_consent(store: GrantStore, address: str, settings: dict[str, Any]) -> None:
    body = ConsentIn.model_validate({"address": address, "purpose": "add", "settings": settings})
    assert body.settings
    endpoint = TokenEndpoint(OAuthClient(client_id="client-1.apps.example.com", secrets=("x",)))
    flow = ConsentFlow(store, lambda _: endpoint, redirect_uri="https://airflow.example/callback")
    flow.start_addition(body.address, body.settings, BrowserSession(user="op", browser="b"))


def add_by_command(store: GrantStore, address: str, settings: dict[str, Any]) -> None:
    chosen = validate_mailbox_settings(settings, address=address)
    with store.engine.begin() as connection:
        repository.add_or_update(connection, address, chosen, actor="test")


def import_file(store: GrantStore, text: str) -> None:
    import_mailboxes(store, parser.parse_mailboxes(text), actor=Actor(name="test"))


def write_csv(address: str, settings: dict[str, Any]) -> str:
    row = {"address": address} | settings
    return "".join(csv_format.write_table(list(row), [row]))


def add_by_csv(store: GrantStore, address: str, settings: dict[str, Any]) -> None:
    import_file(store, write_csv(address, settings))


def add_by_json(store: GrantStore, address: str, settings: dict[str, Any]) -> None:
    import_file(store, json.dumps([{"address": address} | settings]))


def add_by_preview(store: GrantStore, address: str, settings: dict[str, Any]) -> None:
    contents = parser.parse_with_problems(write_csv(address, settings))
    with store.engine.begin() as connection:
        preview = import_preview.build_preview(connection, contents)
        problems = [problem.rule for line in preview.lines for problem in line.problems]
        if problems or preview.token is None:
            raise InvalidInputError("; ".join(problems))
        import_preview.apply_preview(connection, contents, token=preview.token, actor="test")


def add_by_backup(store: GrantStore, address: str, settings: dict[str, Any]) -> None:
    document = {"exported_at": "2026-11-01T00:00:00+00:00", "mailboxes": [{"address": address} | settings]}
    exported_at, mailboxes = parse_backup(json.dumps(document))
    import_mailboxes(store, mailboxes, actor=Actor(name="test"), exported_at=exported_at)


def add_by_migration(store: GrantStore, address: str, settings: dict[str, Any]) -> None:
    """Add it as a token file or a former system's table does."""
    with store.engine.begin() as connection:
        plan = plan_migration(connection, [Candidate(source="1", address=address, settings=settings)], client_ids={"c"})
    if plan.left:
        raise InvalidInputError(plan.left[0].why)
    import_mailboxes(store, plan.mailboxes, actor=Actor(name="test"))


WAYS: dict[str, Way] = {
    "api": add_by_api, "consent": add_by_consent, "command": add_by_command, "csv": add_by_csv, "json": add_by_json,
    "preview": add_by_preview, "backup": add_by_backup, "migration": add_by_migration,
}  # fmt: skip

GOOD = {"kind": "pool", "timezone": "Europe/Berlin"}
WRONG_SETTINGS = [
    ("timezone", zone)
    for zone in ("localtime", "Factory", "posixrules", "posix/Europe/Berlin", "right/UTC", "CET", "eet", "MET", "WET",
                 "Mars/Base", "+02:00", "Europe/Berlin\u200b", "UTC0", "<+02>-2", "../UTC")
] + [
    ("display_name", name)
    for name in ("a\u2028b", "a\u2029b", "a\u0085b", "a\u009bb", "a\x1bb", "a\nb", "a\rb", "a\tb", "a\x7fb", "a\u202eb",
                 "a\u2066b", "a\u200fb", "\u200b", "a" * 101, "<b>", 'a"b')
] + [
    ("language", "german"), ("language", "d"), ("language", "de-"), ("language", "../x"), ("language", "dé"),
    ("signature", "a\x1bb"), ("signature", "a" * 501), ("signature", "a\x7fb"),
    ("daily_target", 0), ("daily_target", 2001), ("daily_target", 10**30), ("daily_target", -1),
    ("open_rate", 101), ("reply_rate", -1),
    ("owner_email", "olivia"), ("owner_email", "Olivia <olivia@example.com>"),
    ("owner_email", "a@example.com, b@example.com"),
    ("owner_email", "olivia@example.com\u200b"), ("owner_email", "a@" + "x." * 130 + "example"),
    ("tags", "x" * 200), ("tags", "x" * 51), ("tags", "ok, a\x00b"), ("tags", "a\u200bb"), ("tags", "a\nb"),
]  # fmt: skip
WRONG_ADDRESSES = [
    "x", "ada@example.com.", "a..b@example.com", f"name+tag@{GMAIL}", "ada\u200b@example.com", "ada\u00ad@example.com",
    "ada@example.com\u00a0", "ada@exam\u2060ple.com", '"ada"@example.com', "Ada <ada@example.com>",
]  # fmt: skip


def count(store: GrantStore) -> int:
    with store.engine.begin() as connection:
        query = "SELECT (SELECT count(*) FROM gmail_warmup.mailbox) + (SELECT count(*) FROM gmail_warmup.consent)"
        return int(connection.scalar(sa.text(query)))


@pytest.mark.parametrize("way", WAYS)
def test_a_good_mailbox_is_added_by_each_way(store: GrantStore, way: str):
    WAYS[way](store, "ada@example.com", GOOD)
    assert count(store) == 1


@pytest.mark.parametrize("way", WAYS)
def test_no_way_accepts_a_wrong_setting(store: GrantStore, way: str):
    accepted = []
    for name, value in WRONG_SETTINGS:
        try:
            WAYS[way](store, "ada@example.com", GOOD | {name: value})
            accepted.append((name, value))
        except (InvalidInputError, ValidationError):
            continue
    assert accepted == []
    assert count(store) == 0


@pytest.mark.parametrize("way", WAYS)
def test_no_way_accepts_what_is_no_address(store: GrantStore, way: str):
    accepted = []
    for address in WRONG_ADDRESSES:
        try:
            WAYS[way](store, address, GOOD)
            accepted.append(address)
        except (InvalidInputError, ValidationError):
            continue
    assert accepted == []
    assert count(store) == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_second_spelling_is_refused_by_each_way_and_names_the_first(store: GrantStore, way: str):
    with store.engine.begin() as connection:
        repository.add_or_update(connection, f"ada.l@{GMAIL}", MailboxSettings(kind="pool"), actor="test")
    for address in (f"adal@{GMAIL}", f"a.dal@{GOOGLEMAIL}", f"ada.l@{GOOGLEMAIL.replace('m', 'M')}"):
        with pytest.raises(InvalidInputError, match=r"ada\.l@gmail\.com"):
            WAYS[way](store, address, GOOD)
    assert count(store) == 1


@pytest.mark.parametrize("way", WAYS)
def test_each_way_stores_the_same_form(store: GrantStore, way: str):
    WAYS[way](store, " Ada@MÜNCHEN.example ", GOOD | {"timezone": "europe/berlin"})
    table, zone = ("consent", "mailbox_settings->>'timezone'") if way == "consent" else ("mailbox", "timezone")
    with store.engine.begin() as connection:
        row = connection.execute(sa.text(f"SELECT address, {zone} FROM gmail_warmup.{table}")).one()
    assert tuple(row) == ("ada@xn--mnchen-3ya.example", "Europe/Berlin")


@pytest.mark.parametrize(("name", "value"), WRONG_SETTINGS, ids=ascii)
def test_a_change_of_many_mailboxes_applies_the_same_rules(name: str, value: Any):
    with pytest.raises(ValidationError):
        MailboxChanges.model_validate({name: value})


def test_only_two_functions_insert_mailboxes():
    """A new way in calls one of them, and they check what they are given; otherwise add it to WAYS."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef) and "insert(Mailbox)" in ast.unparse(function):
                found.add(f"{path.relative_to(PACKAGE)}::{function.name}")
    assert found == {"mailboxes/repository.py::add_or_update", "mailboxes/bulk.py::add_mailboxes"}


def test_every_body_of_the_api_uses_the_one_rule():
    """A body with an address or a setting has the type that validates it."""
    rules = {"address": "Address", "addresses": "Addresses", "settings": "MailboxSettings", "changes": "MailboxChanges",
             "reason": "ReasonText"}  # fmt: skip
    seen = set()
    for route in router.routes:
        for parameter in getattr(getattr(route, "dependant", None), "body_params", ()):
            body = parameter.field_info.annotation
            if not (isinstance(body, type) and issubclass(body, BaseModel)):
                continue
            for base in body.__mro__:
                for name, text in getattr(base, "__annotations__", {}).items():
                    if name in rules and base.__module__.startswith("gmail_warmup"):
                        seen.add(name)
                        assert rules[name] in str(text), f"{base.__name__}.{name}: {text}"
    assert seen == set(rules)


ZERO_TIMES = [
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00", "9999-12-31T23:59:59.9999999-14:00", "9999-12-31T23:59:59Z", "",
    -62135596800, "-62135596800", 0, -1, 10**17, 253402300799, float(10**18), float("inf"), None,
]  # fmt: skip


@pytest.mark.parametrize("value", ZERO_TIMES, ids=ascii)
@pytest.mark.parametrize("key", ["expiry", "refresh_expires_at", "granted_at"])
def test_a_zero_time_means_that_there_is_none(store: GrantStore, key: str, value: Any):
    grant = {"refresh_token": "1//r", "token": "ya29.t", key: value}
    import_file(store, json.dumps([{"address": "ada@example.com", "kind": "pool", "oauth_token": grant}]))
    with store.engine.begin() as connection:
        query = "SELECT access_expires_at, refresh_expires_at, granted_at FROM gmail_warmup.oauth_grant"
        assert tuple(connection.execute(sa.text(query)).one()) == (None, None, None)


@pytest.mark.parametrize(
    "value", ["2026-11-29T12:00:00Z", "2026-11-29T14:00:00+02:00", "2026-11-29T12:00:00", 1795953600, 1795953600000,
              "1795953600", 1795953600.0, 1795953600000000]
)  # fmt: skip
def test_a_time_is_read_in_every_form(value: Any):
    grant = {"refresh_token": "1//r", "granted_at": value}
    (found,) = parser.parse_rows([{"address": "ada@example.com", "kind": "pool", "oauth_token": grant}])
    assert found.grant
    assert found.grant.granted_at == datetime(2026, 11, 29, 12, tzinfo=UTC)
    assert found.grant.granted_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("value", ["soon", "2026-13-01", True, [], {}, float("nan"), "1e9"])
def test_what_is_no_time_is_refused_by_name(value: Any):
    grant = {"refresh_token": "1//r", "expiry": value}
    with pytest.raises(InvalidInputError, match="the expiry is not a time"):
        parser.parse_rows([{"address": "ada@example.com", "kind": "pool", "oauth_token": grant}])


@pytest.mark.parametrize("key", ["refresh_token", "token", "access_token", "client_id", "scopes"])
@pytest.mark.parametrize("char", ["\x00", "\n", " ", "\u200b", "\u00a0", "é", "\x7f", "\u2028"], ids=ascii)
def test_a_credential_is_printable_ascii_and_never_shown(key: str, char: str):
    value = f"1//secret{char}part"
    grant = {"refresh_token": "1//r", key: [value] if key == "scopes" else value}
    with pytest.raises(InvalidInputError) as refused:
        parser.parse_rows([{"address": "ada@example.com", "kind": "pool", "oauth_token": json.dumps(grant)}])
    assert f"U+{ord(char):04X}" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_credential_is_trimmed():
    grant = {"refresh_token": " 1//r\n", "token": "\tya29.t ", "client_id": " c ", "scopes": " a  b "}
    (found,) = parser.parse_rows([{"address": "ada@example.com", "kind": "pool", "oauth_token": grant}])
    assert found.grant
    assert (found.grant.refresh_token, found.grant.access_token, found.grant.client_id) == ("1//r", "ya29.t", "c")
    assert found.grant.scopes == ("a", "b")
