"""What the page and the API show of Google's reports about the authentication of mail."""

from __future__ import annotations

import httpx
import pytest

from web.api.test_history import ADA, POOL, put_mail
from web.kit import API, Site
from web.test_warmup import page_of, put_record

TITLE = "Authentication as Google reports it"


def put_report(site: Site, table: str, method: str, result: str, *, passed: str | None = "now()", **more: str) -> None:
    """Store a report for the mailbox of Ada, or for her domain; ``more`` are columns with SQL."""
    key = "domain" if table == "domain_authentication" else "id AS mailbox_id"
    extra, values = "".join(f", {name}" for name in more), "".join(f", {value}" for value in more.values())
    site.sql(
        f"INSERT INTO gmail_warmup.{table} ({key.split()[-1]}, method, result, seen_at, passed_at{extra}) "
        f"SELECT {key}, :method, :result, now(), {passed or 'NULL'}{values} FROM gmail_warmup.mailbox "
        "WHERE address = :ada RETURNING method",
        method=method, result=result, ada=ADA,
    )  # fmt: skip


@pytest.fixture
def ada(site: Site) -> Site:
    """One mailbox that is being warmed up, and one that receives."""
    site.add(ADA, "warmup")
    site.add(POOL, "pool")
    return site


def test_reports_of_mailbox_and_domain_are_shown(ada: Site, op: httpx.Client):
    put_report(ada, "mailbox_authentication", "spf", "pass", is_aligned="true", passed="'2026-11-24 09:00+00'")
    put_report(ada, "mailbox_authentication", "dkim", "pass", is_aligned="false", failures="2", passed=None)
    put_report(ada, "domain_authentication", "dmarc", "fail", failures="3", passed="'2026-11-20 09:00+00'")
    page = page_of(op).split(TITLE)[1].split("</section>")[0]
    assert "Mail of this mailbox" in page
    assert "SPF pass" in page
    assert "2026-11-24 09:00:00 UTC" in page
    assert "DKIM pass for another domain" in page
    assert "No mail has passed yet. 2 mails in a row did not pass" in page
    assert "Mail of example.com" in page
    assert "DMARC fail" in page
    assert "2026-11-20 09:00:00 UTC" in page
    (mailbox,) = op.get(f"{API}/mailboxes", params={"q": ADA}).json()["mailboxes"]
    spf, dkim = mailbox["authentication"]
    assert (spf["method"], spf["result"], spf["failures"], spf["passed_at"][:10]) == ("spf", "pass", 0, "2026-11-24")
    assert (dkim["is_aligned"], dkim["failures"], dkim["passed_at"]) == (False, 2, None)
    (domain,) = op.get(f"{API}/dns").json()["domains"]
    assert [(item["method"], item["result"]) for item in domain["authentication"]] == [("dmarc", "fail")]
    assert domain["records"] == []


def test_before_the_first_mail_there_is_no_report(ada: Site, op: httpx.Client):
    assert "No report yet" in page_of(op).split(TITLE)[1].split("</section>")[0]
    assert TITLE not in page_of(op, POOL)


def test_a_bad_record_that_google_contradicts_is_shown_as_such(ada: Site, op: httpx.Client):
    put_record(ada, "example.com", "spf", "spf_missing", bad_days=5)
    assert "is not sent from" in page_of(op)
    put_report(ada, "domain_authentication", "spf", "pass", is_aligned="true")
    page = page_of(op)
    assert "is not sent from" not in page
    assert "Google reports pass, sending continues." in page
    (domain,) = op.get(f"{API}/dns").json()["domains"]
    assert domain["closed"] is None
    assert [record["confirmed"] for record in domain["records"]] == [True]


def test_a_mail_that_did_not_pass_is_shown(ada: Site, op: httpx.Client):
    put_mail(ada, ADA, POOL, placement="spam", spf_result="softfail", dkim_result="pass", dmarc_result="fail")
    assert "SPF softfail, DMARC fail" in page_of(op)
    (mail,) = op.get(f"{API}/mailboxes/{ADA}/mails").json()["mails"]
    assert (mail["spf_result"], mail["dkim_result"], mail["dmarc_result"]) == ("softfail", "pass", "fail")
