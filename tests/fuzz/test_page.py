"""No request makes the page fail, hang, or write half of anything."""

from __future__ import annotations

from fuzz.feeding import Fed
from fuzz.web import _BODIES, Page, feed_page

REQUESTS = 300
"""The long form is in test_whole.py."""


def test_whatever_is_asked_the_page_answers(site: Page):
    before = site.digest()
    fed = feed_page(site, REQUESTS, seed=1)
    assert fed.failures == []
    assert fed.inputs == REQUESTS
    assert site.digest() != before, "no request was good enough to change anything"


def test_every_route_that_takes_a_body_is_fed(site: Page):
    assert {path for method, path in site.routes if method == "POST"} == set(_BODIES)
    assert Fed().server_errors == 0
