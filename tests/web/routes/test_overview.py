"""The start page: the overview, and old links that lead to the list."""

from __future__ import annotations

import httpx
import pytest

from web.kit import LIST, MOUNT, Site, rows


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
                      ("/webhooks", "Webhooks"), ("/changes", "Changes"), ("/report", "Report")):  # fmt: skip
        page = op.get(MOUNT + path)
        tabs = page.text.partition('<nav class="tabs"')[2].partition("</nav>")[0]
        assert f'aria-current="page">{tab}</a>' in tabs
        assert tabs.count("aria-current") == 1
        assert tabs.count("<a ") == 8
    assert rows(op.get(LIST).text) == ["a@example.com"]
