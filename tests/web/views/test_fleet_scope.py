"""What the overview is about, from the parameters of its URL, and the links that keep it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from gmail_warmup.db.models import MailboxKind
from gmail_warmup.web.views.fleet_scope import FleetScope, Period

PARSED = [
    ({}, FleetScope()),
    ({"period": "year", "kind": "alien"}, FleetScope()),
    ({"period": "today", "kind": "pool"}, FleetScope(period=Period.TODAY, kind=MailboxKind.POOL)),
    ({"domain": " @ONE.Example "}, FleetScope(domain="one.example")),
    ({"tag": " Key  Accounts "}, FleetScope(tag="key accounts")),
    ({"tag": "STRASSE"}, FleetScope(tag="strasse")),
    ({"tag": "a,b"}, FleetScope(tag="a,b")),
    ({"tag": ""}, FleetScope()),
]


@pytest.mark.parametrize(("query", "expected"), PARSED, ids=str)
def test_a_scope_is_parsed(query: dict[str, str], expected: FleetScope):
    assert FleetScope.from_query(query) == expected


@pytest.mark.parametrize("query", [query for query, _ in PARSED], ids=str)
@pytest.mark.parametrize("path", ["/", "/mailboxes"])
def test_a_link_leads_to_the_same_mailboxes(query: dict[str, str], path: str):
    scope = FleetScope.from_query(query | {"tag": "R&D #1", "domain": "a.example"})
    link = urlsplit(scope.build_link(path, period="90"))
    given = {name: value for name, (value,) in parse_qs(link.query).items()}
    assert link.path == f".{path}"
    assert given.pop("period") == "90"
    assert given == scope.parameters
