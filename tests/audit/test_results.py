"""The audit's result and report in XCom: readable by the version that wrote them and by the next one."""

from __future__ import annotations

import json

from gmail_warmup.audit.report import AuditReport, ClientCounts, FlaggedMailbox
from gmail_warmup.audit.results import AuditOutcome, AuditResult
from gmail_warmup.oauth.expiry import ExpiringGrant

RESULT = AuditResult(
    counts={AuditOutcome.REFRESHED: 3, AuditOutcome.THROTTLED: 1},
    unknown_responses={"HTTP 418 teapot": 2},
    stop_reason="throttled",
)


def test_a_result_passes_xcom_unchanged():
    assert AuditResult.from_json(json.loads(json.dumps(RESULT.to_json()))) == RESULT
    assert RESULT.to_json().keys() == {"counts", "unknown", "stopped", "app_error", "refused_clients"}


def test_a_result_of_another_version_is_read():
    assert AuditResult.from_json(None) == AuditResult.from_json({}) == AuditResult()
    mixed = AuditResult.from_json({"counts": {"refreshed": 2, "not_known_yet": 5}, "stopped": None})
    assert mixed == AuditResult(counts={AuditOutcome.REFRESHED: 2})


def test_a_refused_client_outweighs_other_reasons_to_stop():
    merged = AuditResult.merge(
        [RESULT, AuditResult(stop_reason="invalid_client"), AuditResult(stop_reason="throttled")]
    )
    assert (merged.stop_reason, merged.app_error) == ("invalid_client", "invalid_client")
    assert merged.counts == RESULT.counts


def test_the_second_pass_replaces_what_was_not_reached():
    again = AuditResult(counts={AuditOutcome.REFRESHED: 1})
    assert AuditResult.merge([RESULT.without_retryable(), again]).counts == {AuditOutcome.REFRESHED: 4}


def test_a_report_passes_xcom_unchanged():
    report = AuditReport(
        mailboxes=2,
        needs_reauth=1,
        attention=[FlaggedMailbox(address="ada@example.com", state="needs_reauth", reason="Expired.", step="Sign in.")],
        expiring_list=[ExpiringGrant(address="bob@example.com", ends_at="2026-03-05T08:30:00+01:00", days=3)],
        unknown={"HTTP 418 teapot": 2},
        incidents=["Google fails."],
        advice=["Publish the app."],
        clients=[ClientCounts(conn_id="gmail_oauth_client", mailboxes=2, flagged=1)],
    )
    assert AuditReport.from_json(json.loads(json.dumps(report.to_json()))) == report
    assert AuditReport.from_json({"mailboxes": 2, "of_a_later_version": 1}) == AuditReport(mailboxes=2)
