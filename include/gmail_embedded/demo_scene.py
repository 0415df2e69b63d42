"""The demo's data: 16 mailboxes with stored tokens, seven of them revoked, and the counts of mails at the sandbox."""

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
WORKING_POOL = ("iris@pool-one.example",)
REVOKED_POOL = (
    "jack@pool-one.example", "kim@pool-one.example", "lena@pool-two.example", "max@pool-two.example",
    "nora@pool-two.example", "otto@pool-three.example", "pia@pool-three.example",
)  # fmt: skip
SPAM_CHANCE = 0.25

SETTINGS = {
    "delay_scale": "0.002",
    "dns_check": "false",  # the sandbox uses reserved domains, which do not resolve
    "min_gap": "0",
    "run_interval": "0",
    "sending_window": "00:00-24:00",
    "sending_days": "mon,tue,wed,thu,fri,sat,sun",
    "ramp_start": "10",
    "audit_rate": "20",
    "warmup_schedule": "none",
    "health_schedule": "none",
    "monitor_schedule": "none",
}
"""Settings of the demo: shortened delays, ten mails on the first day, and DAG runs only when the demo triggers them."""

LASTING_SETTINGS = {
    "warmup_schedule": "*/2 * * * *",
    "health_schedule": "@daily",
    "monitor_schedule": "*/2 * * * *",
    "delay_scale": "0.1",
    "ramp_start": "40",
    "pool_daily_cap": "400",
    "partner_daily_cap": "50",
}
"""Settings after the report: the schedules are active, and each mailbox sends a mail every two or three minutes."""

TOKEN_HEADER = "x-warmup-id"  # noqa: S105  the name of a header

_ZONES = (
    "UTC", "Asia/Tokyo", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "America/Los_Angeles",
    "Pacific/Auckland", "Pacific/Honolulu",
)  # fmt: skip


def choose_zone(now: datetime) -> str:
    """Return a time zone in which it is early morning, so that the day's plan is complete."""
    return min(_ZONES, key=lambda name: (now.astimezone(ZoneInfo(name)).hour - 7) % 24)


def set_up_google(
    sandbox: SandboxClient, *, client_id: str, client_secret: str, redirect_uri: str
) -> list[dict[str, object]]:
    """Create the OAuth client, mailboxes and grants in the sandbox; return the accounts in the import format.

    Every access token is expired, and the grants of seven pool mailboxes are revoked.
    """
    sandbox.reset()
    sandbox.set(spam_chance=SPAM_CHANCE)
    sandbox.put_client(client_id, client_secrets=[client_secret], redirect_uris=[redirect_uri])
    addresses = (*WARMUP, *WORKING_POOL, *REVOKED_POOL)
    sandbox.put_mailboxes({"address": address, "display_name": format_name(address)} for address in addresses)
    zone = choose_zone(datetime.now(UTC))
    accounts: list[dict[str, object]] = []
    for address in addresses:
        grant = sandbox.grant(address, client_id, access_expired=True)
        accounts.append(
            {
                "address": address,
                "kind": "warmup" if address in WARMUP else "pool",
                "timezone": zone,
                "display_name": format_name(address),
                "oauth_token": {
                    "token": grant.access_token,
                    "refresh_token": grant.refresh_token,
                    "client_id": client_id,
                },
            }
        )
    sandbox.revoke_grants(*REVOKED_POOL, cause="revoked")
    return accounts


def format_name(address: str) -> str:
    """Return a display name for an address."""
    return address.partition("@")[0].title()


def write_accounts(path: Path, accounts: Sequence[dict[str, object]]) -> None:
    """Write the accounts to a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(accounts), encoding="utf-8")


class Browser:
    """A browser that is logged in to Airflow and can sign in at the sandbox with any mailbox."""

    def __init__(self, api: AirflowApi, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._http = httpx.Client(trust_env=False, timeout=30, follow_redirects=False)
        self._http.cookies.set("_token", api.token, domain=httpx.URL(base_url).host)

    def reauthenticate(self, address: str) -> None:
        """Re-authenticate a mailbox: start the consent, allow it at the sandbox and follow the callback.

        Raises:
            EmbeddedError: if a step fails.
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
            raise EmbeddedError(f"{address}: the sandbox shows no consent page ({shown.status_code})")
        allowed = self._http.post(consent_page, data={"account": address, "decision": "allow"})
        callback = self._http.get(urljoin(consent_page, allowed.headers.get("location", "")))
        if callback.status_code not in (httpx.codes.SEE_OTHER, httpx.codes.FOUND):
            raise EmbeddedError(f"{address}: the callback was rejected ({callback.status_code})")

    def close(self) -> None:
        """Close the browser."""
        self._http.close()


@dataclass(frozen=True, kw_only=True)
class MailCounts:
    """Numbers of mails at the sandbox."""

    sent: int
    inbox: int
    spam: int
    rescued: int
    read: int
    replied: int
    collected: int
    duplicates: int


def count_mails(sandbox: SandboxClient) -> MailCounts:
    """Count the mails and their states, from the sandbox's data only."""
    mails = sandbox.mails(limit=10_000)
    first = [mail for mail in mails if "in-reply-to" not in mail.headers]
    replies = [mail for mail in mails if "in-reply-to" in mail.headers]
    tokens = Counter(mail.headers.get(TOKEN_HEADER, "") for mail in mails)
    return MailCounts(
        sent=len(first),
        inbox=sum(_get_placement(mail) != "SPAM" for mail in first),
        spam=sum(_get_placement(mail) == "SPAM" for mail in first),
        rescued=sum(_get_placement(mail) == "SPAM" and _has_lost_label(mail, "SPAM") for mail in first),
        read=sum(_has_lost_label(mail, "UNREAD") for mail in first),
        replied=len(replies),
        collected=sum(_has_lost_label(mail, "UNREAD") for mail in replies),
        duplicates=sum(count - 1 for count in tokens.values()),
    )


def _get_placement(mail: MailOut) -> str:
    """Return the placement of the recipient's copy."""
    return next((copy.placement for copy in mail.copies if copy.mailbox in mail.to), "")


def _has_lost_label(mail: MailOut, label: str) -> bool:
    """Return whether a label was removed from the recipient's copy."""
    return any(label in event.removed for copy in mail.copies if copy.mailbox in mail.to for event in copy.events)
