"""The page of a link to a weekly report in a browser: the report, a link that has ended, and a server that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, Route, expect

from fuzz import web
from support.e2e_kit import new_profile
from support.world import World

pytestmark = pytest.mark.e2e

LINKS, PAGE = "/api/v1/report-links", f"{web.ORIGIN}/shared-report"
Answer = Callable[[Route], None]


@pytest.fixture
def site(world: World) -> Iterator[TestClient]:
    with web.page(world) as made:
        yield TestClient(made.app, base_url=web.ORIGIN)


def open_page(browser: Browser, site: TestClient, token: str, *, look: Answer | None = None) -> Page:
    """Open the page of a link; the application of this process answers, but for what ``look`` does."""

    def answer(route: Route) -> None:
        request = route.request
        found = site.request(request.method, request.url, content=request.post_data, headers=request.all_headers())
        route.fulfill(status=found.status_code, headers=dict(found.headers), body=found.content)

    page = new_profile(browser).new_page()
    page.route("**/*", answer)
    if look:
        page.route("**/shared-report/look", look)
    page.goto(f"{PAGE}#{token}")
    return page


def make_link(site: TestClient) -> str:
    answer = site.post(LINKS, json={}, headers={"Origin": web.ORIGIN})
    return str(answer.json()["url"]).partition("#")[2]


def test_a_link_shows_the_report(browser: Browser, site: TestClient):
    page = open_page(browser, site, make_link(site))
    expect(page.get_by_role("heading", name="Weekly report")).to_be_visible()
    expect(page.get_by_text("valid until")).to_be_visible()


@pytest.mark.parametrize("token", ["", "x" * 43])
def test_a_link_that_is_not_open_is_no_longer_valid(browser: Browser, site: TestClient, token: str):
    page = open_page(browser, site, token)
    expect(page.get_by_role("heading", name="This link is no longer valid")).to_be_visible()


@pytest.mark.parametrize(
    ("look", "text"),
    [
        (lambda route: route.fulfill(status=503, body="down"), "The server returned status 503."),
        (lambda route: route.fulfill(status=429, json={"detail": "Wait a minute."}), "Wait a minute."),
        (lambda route: route.abort(), "The server could not be reached."),
    ],
)
def test_a_server_that_fails_does_not_make_the_link_invalid(
    browser: Browser, site: TestClient, look: Answer, text: str
):
    page = open_page(browser, site, make_link(site), look=look)
    expect(page.get_by_role("heading", name="This is currently unavailable")).to_be_visible()
    expect(page.get_by_text(text)).to_be_visible()
    expect(page.get_by_text("no longer valid")).to_be_hidden()
    page.unroute("**/shared-report/look")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Weekly report")).to_be_visible()
