"""Addresses below a sub-path, and words for lengths of time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gmail_warmup.core.urls import SiteUrls
from gmail_warmup.web.views.mailbox import format_time_left


@pytest.mark.parametrize(
    ("base", "origin", "path"),
    [
        ("https://airflow.example.com", "https://airflow.example.com", "/gmail-warmup"),
        ("https://airflow.example.com:443", "https://airflow.example.com", "/gmail-warmup"),
        ("http://Example.com:8080/a/b", "http://example.com:8080", "/a/b/gmail-warmup"),
        ("http://[::1]:8080", "http://[::1]:8080", "/gmail-warmup"),
    ],
)
def test_addresses(base: str, origin: str, path: str):
    urls = SiteUrls(base_url=base)
    assert urls.airflow_origin == origin
    assert urls.cookie_path == path
    assert urls.redirect_uri == f"{base}/gmail-warmup/oauth/callback"
    assert urls.view_url() == f"{base}/plugin/gmail-accounts"
    assert urls.list_url == f"{base}/plugin/gmail-accounts{path}/mailboxes"
    assert urls.view_url("a+b@x.example") == f"{base}/plugin/gmail-accounts{path}/mailboxes?reauth=a%2Bb%40x.example"


@pytest.mark.parametrize(
    ("left", "words"),
    [
        ({"days": 3, "hours": 23}, "in 3 days"),
        ({"hours": 25}, "in 1 day"),
        ({"minutes": 119}, "in 1 hour"),
        ({"seconds": 150}, "in 2 minutes"),
        ({"seconds": 5}, "in under a minute"),
        ({"seconds": -5}, "expired"),
    ],
)
def test_duration(left: dict[str, int], words: str):
    assert format_time_left(timedelta(**left)) == words
