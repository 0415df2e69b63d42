"""The frame of Airflow's UI never shows Airflow's UI."""

from __future__ import annotations

import httpx
import pytest

from web.kit import MOUNT, Site

VIEW = "/plugin/gmail-accounts"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/nothing", f"{MOUNT}/not-found"),
        ("/dags", f"{MOUNT}/not-found"),
        ("/mailboxes/ada@example.com", f"{MOUNT}/not-found"),
        ("/plugin/gmail-accounts", f"{MOUNT}/not-found"),
        ("/gmail-warmupx/", f"{MOUNT}/not-found"),
        (MOUNT, f"{MOUNT}/"),
    ],
)
@pytest.mark.parametrize("shell", [VIEW, f"{VIEW}/nothing"])
def test_a_foreign_path_in_the_frame_leads_to_not_found(
    site: Site, op: httpx.Client, path: str, target: str, shell: str
):
    headers = {"Sec-Fetch-Dest": "iframe", "Referer": site.origin + shell}
    answer = op.get(path, headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (307, target)
    page = op.get(target, headers=headers)
    assert page.status_code == (200 if target == f"{MOUNT}/" else 404)
    assert "Gmail accounts" in page.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Dest": "document", "Referer": VIEW},
        {"Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Dest": "iframe", "Referer": "/plugin/another"},
        {"Sec-Fetch-Dest": "iframe", "Referer": "/plugin/gmail-accounts-of-others"},
        {"Sec-Fetch-Dest": "iframe", "Referer": "not an address"},
    ],
)
def test_airflow_itself_is_not_touched(site: Site, op: httpx.Client, headers: dict[str, str]):
    sent = headers | (
        {"Referer": site.origin + headers["Referer"]} if headers.get("Referer", "").startswith("/") else {}
    )
    assert op.get("/api/v2/version", headers=sent).status_code == 200
