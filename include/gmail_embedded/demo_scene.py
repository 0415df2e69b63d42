"""The scene of the demo: 16 mailboxes as a proof of concept left them, and what Google's side saw in the end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin
from zoneinfo import ZoneInfo

import httpx

from gmail_embedded.airflow_api import AirflowApi
from gmail_embedded.errors import EmbeddedError
from gmail_sandbox.client import SandboxClient
from gmail_sandbox.control.report_models import MailOut

WARMUP = (
    "ada@alpha.example", "ben@alpha.example", "cleo@beta.example", "dan@beta.example",
    "eva@gamma.example", "finn@gamma.example", "gwen@delta.example", "hugo@delta.example",
)  # fmt: skip
LIVING_POOL = ("iris@pool-one.example",)
DEAD_POOL = (
    "jack@pool-one.example", "kim@pool-one.example", "lena@pool-two.example", "max@pool-two.example",
    "nora@pool-two.example", "otto@pool-three.example", "pia@pool-three.example",
)  # fmt: skip
SPAM_CHANCE = 0.25

SETTINGS = {
    "delay_scale": "0.002",
    "dns_check": "false",  # the sandbox's domains are reserved ones, which no name server knows
    "min_gap": "0",
    "run_interval": "0",
    "sending_window": "00:00-24:00",
    "sending_days": "mon,tue,wed,thu,fri,sat,sun",
    "ramp_start": "10",
    "audit_rate": "20",
    "warmup_schedule": "none",
    "health_schedule": "none",
}
"""What the demonstration sets differently: delays and the day's length scaled down, a first day of ten mails,
and no runs but those that the demonstration starts."""

TOKEN_HEADER = "x-warmup-id"  # noqa: S105  the name of a header

_ZONES = (
    "UTC", "Asia/Tokyo", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "America/Los_Angeles",
    "Pacific/Auckland", "Pacific/Honolulu",
)  # fmt: skip


def morning_zone(now: datetime) -> str:
    """Return a time zone in which the day has begun and most of it is left, so that its plan is a whole one."""
    return min(_ZONES, key=lambda name: (now.astimezone(ZoneInfo(name)).hour - 7) % 24)


def set_google_up(
    sandbox: SandboxClient, *, client_id: str, client_secret: str, redirect_uri: str
) -> list[dict[str, object]]:
    """Make client, mailboxes and grants at Google's side; return the accounts as the former system stored them.

    Every access token has expired, and the grants of seven pool mailboxes are dead.
    """
    sandbox.reset()
    sandbox.set(spam_chance=SPAM_CHANCE)
    sandbox.put_client(client_id, client_secrets=[client_secret], redirect_uris=[redirect_uri])
    everybody = (*WARMUP, *LIVING_POOL, *DEAD_POOL)
    sandbox.put_mailboxes({"address": address, "display_name": name_of(address)} for address in everybody)
    zone = morning_zone(datetime.now(UTC))
    accounts: list[dict[str, object]] = []
    for address in everybody:
        grant = sandbox.grant(address, client_id, access_expired=True)
        accounts.append(
            {
                "address": address,
                "kind": "warmup" if address in WARMUP else "pool",
                "timezone": zone,
                "display_name": name_of(address),
                "oauth_token": {
                    "token": grant.access_token,
                    "refresh_token": grant.refresh_token,
                    "client_id": client_id,
                },
            }
        )
    sandbox.kill_grants(*DEAD_POOL, cause="revoked")
    return accounts


def name_of(address: str) -> str:
    """Return a display name for an address."""
    return address.partition("@")[0].title()


def write_accounts(path: Path, accounts: Sequence[dict[str, object]]) -> None:
    """Write the accounts to a file that nobody else may read."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(accounts), encoding="utf-8")


class Browser:
    """A person at a browser: signed in to Airflow, and at Google with any mailbox."""

    def __init__(self, api: AirflowApi, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._http = httpx.Client(trust_env=False, timeout=30, follow_redirects=False)
        self._http.cookies.set("_token", api.token, domain=httpx.URL(base_url).host)

    def repair(self, address: str) -> None:
        """Press Re-authenticate, sign in with the mailbox at Google, allow, and come back.

        Raises:
            EmbeddedError: if a step does not lead to the next one.
        """
        started = self._http.post(
            f"{self._base_url}/gmail-warmup/api/v1/consents",
            json={"address": address, "purpose": "reauth"},
            headers={"Origin": self._base_url},
        )
        if started.status_code != httpx.codes.OK:
            raise EmbeddedError(f"{address}: the consent did not start ({started.status_code} {started.text[:200]})")
        consent_page = started.json()["url"]
        shown = self._http.get(consent_page)
        if shown.status_code != httpx.codes.OK:
            raise EmbeddedError(f"{address}: Google does not show its consent page ({shown.status_code})")
        allowed = self._http.post(consent_page, data={"account": address, "decision": "allow"})
        callback = self._http.get(urljoin(consent_page, allowed.headers.get("location", "")))
        if callback.status_code not in (httpx.codes.SEE_OTHER, httpx.codes.FOUND):
            raise EmbeddedError(f"{address}: the callback refused ({callback.status_code})")

    def close(self) -> None:
        """Close the browser."""
        self._http.close()


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What Google saw of the warmup."""

    sent: int
    inbox: int
    spam: int
    rescued: int
    read: int
    replied: int
    collected: int
    duplicates: int


def seen_by_google(sandbox: SandboxClient) -> Seen:
    """Count the mails and what became of them, on Google's side alone."""
    mails = sandbox.mails(limit=10_000)
    first = [mail for mail in mails if "in-reply-to" not in mail.headers]
    replies = [mail for mail in mails if "in-reply-to" in mail.headers]
    tokens = Counter(mail.headers.get(TOKEN_HEADER, "") for mail in mails)
    return Seen(
        sent=len(first),
        inbox=sum(_placement(mail) != "SPAM" for mail in first),
        spam=sum(_placement(mail) == "SPAM" for mail in first),
        rescued=sum(_placement(mail) == "SPAM" and _lost(mail, "SPAM") for mail in first),
        read=sum(_lost(mail, "UNREAD") for mail in first),
        replied=len(replies),
        collected=sum(_lost(mail, "UNREAD") for mail in replies),
        duplicates=sum(count - 1 for count in tokens.values()),
    )


def _placement(mail: MailOut) -> str:
    """Return where the recipient's copy landed."""
    return next((copy.placement for copy in mail.copies if copy.mailbox in mail.to), "")


def _lost(mail: MailOut, label: str) -> bool:
    """Tell whether a label was taken off the recipient's copy."""
    return any(label in event.removed for copy in mail.copies if copy.mailbox in mail.to for event in copy.events)
