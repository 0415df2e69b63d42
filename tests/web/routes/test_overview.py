"""The start page: the overview, and old links that lead to the list."""

from __future__ import annotations

import html
import json
import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gmail_warmup.core.enums import DnsResult
from gmail_warmup.domains.reasons import DNS_REASONS
from gmail_warmup.web.views.domains import RESULT_LABELS
from web.kit import LIST, MOUNT, Site, fill, rows


@pytest.mark.parametrize("query", ["reauth=a%2Bb@example.com", "state=suspect&kind=pool", "q=a%26b", "sort=-since"])
def test_a_link_to_the_list_from_before_the_overview_still_works(site: Site, op: httpx.Client, query: str):
    site.add("a+b@example.com")
    old, new = (op.get(f"{path}?{query}").text for path in (f"{MOUNT}/", LIST))
    assert 'aria-current="page">Mailboxes</a>' in old
    assert old == new


def test_the_tabs_lead_to_each_page_and_name_the_current_one(site: Site, op: httpx.Client):
    site.add("a@example.com")
    for path, tab in (("/", "Overview"), ("/mailboxes", "Mailboxes"), ("/mailboxes/a@example.com", "Mailboxes"),
                      ("/schedules", "Schedules"), ("/invites", "Invites"), ("/import", "Import and export"),
                      ("/directory", "Import and export"),
                      ("/clients", "OAuth clients"), ("/webhooks", "Webhooks"), ("/changes", "Changes"),
                      ("/report", "Report")):  # fmt: skip
        page = op.get(MOUNT + path)
        tabs = page.text.partition('<nav class="tabs"')[2].partition("</nav>")[0]
        assert f'aria-current="page">{tab}</a>' in tabs
        assert tabs.count("aria-current") == 1
        assert tabs.count("<a href") == 9
        assert tabs.count('class="shell-link"') == 1
    assert rows(op.get(LIST).text) == ["a@example.com"]


@pytest.fixture
def filled(site: Site) -> Site:
    """A hundred mailboxes in three domains with all kinds of states, which all have a tag and mails."""
    fill(site, 100)
    site.sql("INSERT INTO gmail_warmup.mailbox_tag (mailbox_id, tag) SELECT id, 'r&d' FROM gmail_warmup.mailbox")
    site.sql(
        "INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, planned, sent)"
        " SELECT id, current_date, 9, 7 FROM gmail_warmup.mailbox WHERE kind = 'warmup'"
    )
    return site


FILTERS = [
    {},
    {"kind": "warmup"},
    {"domain": "team1.example"},
    {"tag": "r&d"},
    {"kind": "warmup", "domain": "team1.example", "tag": "r&d"},
]
LEADS_TO = {
    "./": [{"period": "today"}, {"period": "30"}, {"period": "90"}, {"period": "90", "domain": "team1.example"}],
    "./mailboxes": [{"sort": "attention"}, {"readiness": "ready"}, {"state": "expiring", "sort": "expires"}],
}
"""The pages that the overview links to, with the parameters of each link besides the filter."""


@pytest.mark.parametrize("chosen", FILTERS, ids=str)
def test_every_link_of_the_overview_keeps_the_filter(filled: Site, op: httpx.Client, chosen: dict[str, str]):
    page = op.get(f"{MOUNT}/", params=chosen | {"period": "90"}).text.partition("<main")[2].partition("</main>")[0]
    clear = re.findall(r'<a [^>]*href="([^"]*)">Clear</a>', page)
    assert clear == ["./?period=90"] * bool(chosen)
    links = [urlsplit(html.unescape(link)) for link in re.findall(r'href="(\./[^"]*)"', page) if link not in clear]
    found = [(link.path, {name: value for name, (value,) in parse_qs(link.query).items()}) for link in links]
    for path, query in found:
        assert chosen.items() <= query.items(), (path, query)
    for path, expected in LEADS_TO.items():
        for query in expected:
            assert (path, chosen | query) in found
    assert {path for path, _ in found} == set(LEADS_TO)
    (repairs,) = re.findall(r'data-repairs="([^"]*)"', page)
    assert json.loads(html.unescape(repairs)) == chosen


@pytest.mark.parametrize("result", DnsResult)
def test_every_result_of_a_dns_check_is_shown(site: Site, op: httpx.Client, result: DnsResult):
    site.add("a@example.com", kind="warmup")
    code = next(code for code, reason in DNS_REASONS.items() if reason.result is result)
    site.sql(
        "INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, planned, sent)"
        " SELECT id, current_date, 9, 7 FROM gmail_warmup.mailbox"
    )
    site.sql(
        "INSERT INTO gmail_warmup.domain_check (domain, record, result, code)"
        f" VALUES ('example.com', 'dkim', '{result}', '{code}')"
    )
    for path in ("/", "/mailboxes/a@example.com"):
        page = op.get(MOUNT + path)
        assert page.status_code == 200
        assert re.search(rf"DKIM(<span class=\"sr\">)? {RESULT_LABELS[result]}", page.text)
