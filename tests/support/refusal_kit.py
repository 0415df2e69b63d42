"""How each refusal of a consent is come by, in a real browser: for the checks of the pages and for their pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page

from gmail_sandbox.client import SandboxClient
from gmail_sandbox.gmail.errors import error_body
from gmail_warmup.oauth.consent.errors import ConsentRefusal
from web.kit import API, MOUNT, at_google, changed

CALLBACK = f"{MOUNT}/oauth/callback"
_AFTER_RACES = {ConsentRefusal.MAILBOX_REMOVED, ConsentRefusal.DECISION_OVER}
SHOWN = [refusal.value for refusal in ConsentRefusal if refusal not in _AFTER_RACES]
"""The refusals that a browser comes to without a race; the page is the same for the others."""


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """Brings a browser to the page of a refusal.

    Args:
        page: of an operator who is logged in to Airflow.
        stranger: of somebody who is not, who follows an invite.
        sql: runs a statement in the database.
        client_id: of the OAuth client at Google's stand-in.
        address: a mailbox that needs a person.
        other: another mailbox at Google.
    """

    page: Page
    stranger: Page
    base_url: str
    sandbox: SandboxClient
    sql: Callable[[str], Any]
    client_id: str
    address: str
    other: str

    def show(self, refusal: str) -> Page:
        """Go through a consent until it is refused; return the page that says so."""
        acts: dict[str, Callable[[str], str]] = {
            "wrong_account": lambda url: at_google(url, self.other),
            "cancelled": lambda url: at_google(url, self.address, "cancel"),
            "scope_unticked": self._untick,
            "no_refresh_token": lambda url: at_google(changed(url, access_type=None), self.address),
            "refused_by_google": lambda url: self._callback(state=_state(url), error="server_error"),
            "unknown_link": lambda url: self._callback(state="made-up", code="made-up"),
            "expired_link": self._expire,
            "replayed_link": self._use,
            "google_unreachable": self._down,
            "client_refused": self._refuse_client,
            "code_used": lambda url: self._answer(url, "token", _code_error("invalid_grant")),
            "redirect_uri_mismatch": lambda url: self._answer(url, "token", _code_error("redirect_uri_mismatch")),
            "network_failed": lambda url: self._answer(url, "gmail", {"status": 407, "body": "<p>proxy</p>"}),
            "temporarily_refused": lambda url: self._answer(url, "gmail", _gmail_error(403, "userRateLimitExceeded")),
            "mailbox_refused": lambda url: self._answer(url, "gmail", _gmail_error(403, "domainPolicy")),
            "invite_over": self._end_invite,
        }
        page = self.stranger if refusal == "invite_over" else self.page
        url = self._follow_invite() if refusal == "invite_over" else self._start()
        page.goto(acts[refusal](url))
        self._mend()
        page.locator(f"main[data-refusal={refusal}]").wait_for()
        return page

    def invite(self) -> str:
        """Make an invite; return its link."""
        made = self._post(self.page, f"{API}/invites", {"addresses": [self.address]})
        return str(made["invites"][0]["url"])

    def _start(self) -> str:
        return str(self._post(self.page, f"{API}/consents", {"address": self.address, "purpose": "reauth"})["url"])

    def _follow_invite(self) -> str:
        token = urlsplit(self.invite()).fragment
        return str(self._post(self.stranger, f"{MOUNT}/invite/start", {"token": token})["url"])

    def _post(self, page: Page, path: str, body: dict[str, Any]) -> Any:
        answer = page.request.post(self.base_url + path, data=body, headers={"Origin": self.base_url})
        assert answer.ok, answer.text()
        return answer.json()

    def _callback(self, **query: str) -> str:
        return changed(self.base_url + CALLBACK, **query)

    def _untick(self, url: str) -> str:
        asked = parse_qs(urlsplit(url).query)["scope"][0]
        return at_google(changed(url, scope=f"{asked} openid"), self.address, scope=["openid"])

    def _expire(self, url: str) -> str:
        callback = at_google(url, self.address)
        self.sql("UPDATE gmail_warmup.consent SET expires_at = now() - interval '1 second' WHERE used_at IS NULL")
        return callback

    def _use(self, url: str) -> str:
        callback = at_google(url, self.address, "cancel")
        self.page.goto(callback)
        return callback

    def _down(self, url: str) -> str:
        callback = at_google(url, self.address)
        self.sandbox.add_fault("token", answer={"status": 503, "body": "<p>down</p>"})
        return callback

    def _refuse_client(self, url: str) -> str:
        callback = at_google(url, self.address)
        self.sandbox.refuse_client(self.client_id, "invalid_client")
        return callback

    def _answer(self, url: str, where: str, answer: dict[str, Any]) -> str:
        callback = at_google(url, self.address)
        self.sandbox.add_fault(where, answer=answer)
        return callback

    def _end_invite(self, url: str) -> str:
        callback = at_google(url, self.address)
        newest = "id = (SELECT max(id) FROM gmail_warmup.invite)"
        self.sql(f"UPDATE gmail_warmup.invite SET revoked_at = now(), revoked_by = 'op' WHERE {newest}")
        return callback

    def _mend(self) -> None:
        self.sandbox.clear_faults()
        self.sandbox.refuse_client(self.client_id, None)


def _code_error(error: str) -> dict[str, Any]:
    return {"status": 400, "body": {"error": error, "error_description": "Bad Request"}}


def _gmail_error(status: int, reason: str) -> dict[str, Any]:
    return {"status": status, "body": error_body(status, "", reason)}


def _state(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]
