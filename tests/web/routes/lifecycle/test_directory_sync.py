"""The page that compares mailboxes with the directory of a Workspace."""

from __future__ import annotations

import httpx
import pytest

from web.kit import MOUNT, Site


def test_the_import_page_leads_to_the_form(site: Site, op: httpx.Client):
    assert 'href="./directory"' in op.get(f"{MOUNT}/import").text
    page = op.get(f"{MOUNT}/directory").text
    assert 'id="sync-form"' in page
    assert "No service account is configured" not in page


@pytest.mark.parametrize("who", [None, "viewer"])
def test_who_may_not_read_sees_no_form(site: Site, who: str | None):
    with site.browser(who) as browser:
        assert "sync-form" not in browser.get(f"{MOUNT}/directory").text
