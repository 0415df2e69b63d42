"""The header Authentication-Results that the stand-in adds to a delivered mail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gmail_sandbox.client import SandboxClient
from sandbox.kit import Gmail

Mailboxes = Callable[..., Gmail]


def received(sandbox: SandboxClient, gmail: Mailboxes, *faults: str) -> list[str]:
    """Return the headers of a mail that was received, the topmost first."""
    ann, bob = gmail("ann@example.com"), gmail("bob@example.org")
    sandbox.set(authentication_faults_by_sender_domain={"example.com": faults})
    ann.send("bob@example.org")
    (arrived,) = bob.find("in:anywhere")
    names = ["Authentication-Results", "From"]
    message = bob.get(arrived, format="metadata", metadataHeaders=names)
    return [item["value"] for item in message["payload"]["headers"] if item["name"] == names[0]]


@pytest.mark.parametrize(
    ("faults", "parts"),
    [
        ((), ["mx.google.com;", "dkim=pass header.i=@example.com", "spf=pass (google.com: domain of ann@example.com",
              "dmarc=pass (p="]),
        (("spf",), ["spf=fail (google.com:", "does not designate", "dkim=pass", "dmarc=pass"]),
        (("spf", "dkim"), ["spf=fail", "dkim=fail", "dmarc=fail"]),
        (("dmarc",), ["spf=pass", "dkim=pass", "dmarc=fail", "header.from=example.com"]),
        (("unsigned_domain", "no_dmarc"), ["header.i=@example-com.20230601.gappssmtp.com", "spf=pass"]),
        (("folding",), ["MX.GOOGLE.COM 1 (", "header . i"]),
    ],
)  # fmt: skip
def test_it_reports_what_the_settings_say(
    sandbox: SandboxClient, gmail: Mailboxes, faults: tuple[str, ...], parts: list[str]
) -> None:
    (header,) = received(sandbox, gmail, *faults)
    assert [part for part in parts if part not in header] == []


def test_it_may_be_missing(sandbox: SandboxClient, gmail: Mailboxes) -> None:
    assert received(sandbox, gmail, "missing") == []


def test_a_forged_one_is_below_and_says_the_opposite(sandbox: SandboxClient, gmail: Mailboxes) -> None:
    own, forged = received(sandbox, gmail, "forged")
    assert "spf=pass" in own
    assert "spf=fail" in forged
