"""What Google reports about a warmup mail is stored with its placement, for the mail, the mailbox and the domain."""

from __future__ import annotations

from typing import Any

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.domains.authentication import StoredReport, load_domain_reports, load_mailbox_reports
from support.days import move_days
from support.mail_kit import ADA, POOL, act, everybody, ledger, use
from support.world import World

DOMAIN = "warm.example"
PASSING = ("pass", True, "pass", True, "pass")


def fault(world: World, *faults: str) -> None:
    """Make Google report this about the mails that follow."""
    world.sandbox.set(authentication_faults_by_sender_domain={DOMAIN: list(faults)})


def exchange(world: World, mails: int = 1) -> None:
    """Send some mails and find them at their recipients."""
    world.sql("DELETE FROM gmail_warmup.mailbox_day")
    world.sql("UPDATE gmail_warmup.mailbox SET warmup_days = 0")
    move_days(world, "ledger", days=1000)
    use(world, ramp_start=mails)
    assert act(world, Action.SEND)["sent"] == mails
    everybody(world, Action.RESCUE)


def stored(world: World) -> list[tuple[Any, ...]]:
    """Return the columns of all mails."""
    return [
        (row.spf_result, row.spf_aligned, row.dkim_result, row.dkim_aligned, row.dmarc_result) for row in ledger(world)
    ]


def reports(world: World) -> dict[str, StoredReport]:
    """Return the last reports of the domain, by method, and check that those of its only mailbox are the same."""
    with read_transaction(world.store.engine) as connection:
        of_domain = load_domain_reports(connection)
        of_mailbox = load_mailbox_reports(connection, [world.mailbox(ADA).id])
    assert list(of_domain.values()) == list(of_mailbox.values())
    return {report.method: report for report in of_domain.get(DOMAIN, [])}


@pytest.mark.parametrize(
    ("faults", "columns", "failures"),
    [
        ((), PASSING, (0, 0, 0)),
        (("folding",), PASSING, (0, 0, 0)),
        (("forged",), PASSING, (0, 0, 0)),
        (("spf",), ("fail", True, "pass", True, "pass"), (1, 0, 0)),
        (("dkim",), ("pass", True, "fail", True, "pass"), (0, 1, 0)),
        (("dmarc",), ("pass", True, "pass", True, "fail"), (0, 0, 1)),
        (("spf", "dkim", "forged"), ("fail", True, "fail", True, "fail"), (1, 1, 1)),
        (("unsigned_domain", "no_dmarc"), ("pass", True, "pass", False, "none"), (0, 1, 0)),
        (("unsigned_domain", "no_dmarc", "spf"), ("fail", True, "pass", False, "none"), (1, 1, 1)),
    ],
)
def test_a_report_is_stored(warm: World, faults: tuple[str, ...], columns: Any, failures: tuple[int, ...]):
    fault(warm, *faults)
    exchange(warm)
    assert stored(warm) == [columns]
    found = reports(warm)
    assert tuple(found[method].failures for method in ("spf", "dkim", "dmarc")) == failures
    results = dict(zip(("spf", "dkim", "dmarc"), (columns[0], columns[2], columns[4]), strict=True))
    assert {method: report.result for method, report in found.items()} == results
    passed = {method for method, report in found.items() if report.passed_at}
    assert passed == {method for method, number in zip(found, failures, strict=True) if not number} - {
        method for method, result in results.items() if result == "none"
    }


def test_a_mail_without_a_report_is_placed_like_any_other(warm: World):
    fault(warm, "missing")
    exchange(warm)
    assert stored(warm) == [(None, None, None, None, None)]
    assert [row.placement for row in ledger(warm)] == ["inbox"]
    assert reports(warm) == {}


def test_the_last_pass_is_kept_and_failures_are_counted_until_the_next(warm: World):
    exchange(warm)
    first = reports(warm)["spf"].passed_at
    fault(warm, "spf")
    exchange(warm, mails=2)
    failing = reports(warm)["spf"]
    assert (failing.result, failing.failures, failing.passed_at) == ("fail", 2, first)
    fault(warm)
    exchange(warm)
    recovered = reports(warm)["spf"]
    assert (recovered.result, recovered.failures) == ("pass", 0)
    assert recovered.passed_at
    assert first
    assert recovered.passed_at > first


def test_it_costs_no_call(warm: World):
    exchange(warm, mails=2)
    calls = [call.method for address in POOL for call in warm.sandbox.calls(address)]
    assert sum(method.endswith("messages.get") for method in calls) == 2


def test_mails_that_fail_are_counted(warm: World):
    fault(warm, "spf", "dkim")
    use(warm, ramp_start=2)
    act(warm, Action.SEND)
    done = everybody(warm, Action.RESCUE)
    assert done["unauthenticated"] == 2
    assert done["placed_inbox"] == 2
