"""Behind a proxy that ends TLS, on a sub-path: ``[api] base_url`` alone says how browsers find the page."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookiejar import Cookie
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest

from gmail_sandbox.client import SandboxClient
from web.kit import API, LIST, MOUNT, Site, at_google, start
from web.serving import clean, make_database, serving
from web.tls_proxy import make_certificate, proxying

ADA = "ada@example.com"


@dataclass(frozen=True)
class Outside:
    """The site as browsers reach it."""

    site: Site
    base_url: str
    trust: ssl.SSLContext

    @property
    def origin(self) -> str:
        """Return the origin of the address."""
        return self.base_url.removesuffix("/airflow")

    def browser(self, who: str | None = "op") -> httpx.Client:
        """Return a browser, at the address that it knows."""
        client = httpx.Client(base_url=self.base_url, headers={"Origin": self.origin}, verify=self.trust, timeout=60)
        if who:
            client.cookies.set("_token", self.site.tokens[who], domain="localhost.local", path="/airflow/")
        return client


@pytest.fixture(scope="session")
def proxied(
    postgres: str, sandbox_server: SandboxClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outside]:
    """Run an api-server that browsers reach at https://localhost:<port>/airflow."""
    home: Path = tmp_path_factory.mktemp("airflow-proxied")
    certificate = make_certificate(home)
    with proxying(certificate) as proxy:
        base_url = f"https://localhost:{proxy.port}/airflow"
        database = make_database(postgres, "airflow_proxied")
        with serving(home, database, sandbox_server, base_url=base_url) as site:
            proxy.lead_to(urlsplit(site.origin).port or 0)
            yield Outside(site, base_url, ssl.create_default_context(cafile=str(certificate)))


@pytest.fixture
def outside(proxied: Outside) -> Outside:
    """Yield the site with empty tables."""
    clean(proxied.site, proxied.base_url).add(ADA)
    return proxied


def the_cookie(browser: httpx.Client) -> Cookie:
    (cookie,) = [cookie for cookie in browser.cookies.jar if cookie.name == "gmail_warmup_browser"]
    return cookie


def test_a_consent_goes_round_by_the_outer_address(outside: Outside):
    with outside.browser() as op:
        url = start(op, ADA)
        assert parse_qs(urlsplit(url).query)["redirect_uri"] == [f"{outside.base_url}{MOUNT}/oauth/callback"]
        cookie = the_cookie(op)
        assert (cookie.secure, cookie.path) == (True, f"/airflow{MOUNT}")
        callback = at_google(url, ADA)
        assert callback.startswith(f"{outside.base_url}{MOUNT}/oauth/callback?")
        done = op.get(callback)
        assert done.headers["location"] == f"{outside.base_url}/plugin/gmail-accounts/airflow{LIST}"
        assert "Secure" in done.headers["set-cookie"], "of the notice too"
        assert f"{ADA} works again" in op.get(LIST).text
    query = parse_qs(urlsplit(callback).query)
    for secret in (query["code"][0], query["state"][0]):
        assert secret[-24:] not in outside.site.log()


def test_an_invite_goes_round_by_the_outer_address(outside: Outside):
    with outside.browser() as op, outside.browser(None) as owner:
        link = op.post(f"{API}/invites", json={"addresses": [ADA]}).json()["invites"][0]["url"]
        assert link.startswith(f"{outside.base_url}{MOUNT}/invite#")
        page = owner.get(link)
        assert 'id="invite"' in page.text
        body = {"token": link.partition("#")[2]}
        assert owner.post(urljoin(link, "invite/look"), json=body).json()["address"] == ADA
        url = owner.post(urljoin(link, "invite/start"), json=body).json()["url"]
        assert the_cookie(owner).secure
        done = owner.get(at_google(url, ADA))
        assert done.headers["location"] == f"{outside.base_url}{MOUNT}/invite/thanks"
        assert "Your mailbox is connected" in owner.get(done.headers["location"]).text
    assert outside.site.grant(ADA)["state"] == "active"


@pytest.mark.parametrize(
    "path", ["/", "/mailboxes", "/invites", "/invite", "/invite/thanks", "/oauth/callback", "/nothing/at/all"]
)
def test_every_link_style_and_script_of_a_page_is_there(outside: Outside, path: str):
    with outside.browser() as op:
        page = op.get(MOUNT + path)
        found = re.findall(r'(?:href|src)="([^"#]+)', page.text)
        assert any(link.endswith("app.css") for link in found)
        for link in found:
            target = urljoin(str(page.url), link)
            if target.startswith("https://myaccount.google.com"):
                continue
            assert target.startswith(f"{outside.base_url}/"), link
            assert op.get(target).status_code == 200, link


def test_a_refusal_leads_back_into_the_shell(outside: Outside):
    with outside.browser() as op:
        page = op.get(at_google(start(op, ADA), ADA, "cancel")).text
    assert f'href="{outside.base_url}/plugin/gmail-accounts/airflow{LIST}?reauth=ada%40example.com"' in page
    assert f"{outside.base_url}{MOUNT}/oauth/callback</code>" in page


def test_who_is_not_signed_in_comes_back_to_the_page(outside: Outside):
    with outside.browser(None) as browser:
        page = browser.get(LIST).text
    login = re.search(r'id="login" href="([^"]+)"', page)
    assert login
    assert urlsplit(login[1]).path == "/airflow/auth/login"
    assert parse_qs(urlsplit(login[1]).query)["next"] == [f"{outside.base_url}/plugin/gmail-accounts"]


@pytest.mark.parametrize("origin", ["http://localhost", "https://localhost", "https://evil.example", "null"])
def test_only_the_outer_origin_may_change_something(outside: Outside, origin: str):
    with outside.browser() as op:
        answer = op.post(f"{API}/consents", json={"address": ADA, "purpose": "reauth"}, headers={"Origin": origin})
        assert answer.status_code == 403
        assert outside.origin in answer.json()["detail"]
        assert op.post(f"{API}/consents", json={"address": ADA, "purpose": "reauth"}).status_code == 200
