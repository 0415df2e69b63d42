"""``gmail-warmup dns`` against a name server of the test's own."""

from __future__ import annotations

import pytest

from cli.conftest import Shell
from domains.name_server import HOST, serving
from gmail_warmup.core.settings import Settings
from gmail_warmup.domains.check import build_resolver, check_all_domains, log_findings
from support.world import World


def test_it_tells_what_is_bad_and_what_to_do(world: World, shell: Shell):
    world.add("ada@warm.example", kind="warmup")
    with serving() as server:
        world.settings = Settings(dns_nameservers=f"{HOST}:{server.port}", dns_timeout=60)
        rows = {row["record"]: row for row in shell.json("dns", code=1)["records"]}
        assert {record: row["code"] for record, row in rows.items()} == {
            "spf": "spf_missing", "dkim": "dkim_missing", "dmarc": "dmarc_missing",
        }  # fmt: skip
        assert rows["dmarc"]["step"] == 'Publish one TXT record at _dmarc.warm.example: "v=DMARC1; p=none".'
        assert rows["spf"]["bad_since"]
        assert rows["spf"]["sends"] is True
        server.txt("warm.example", "v=spf1 include:_spf.google.com ~all")
        server.txt("_spf.google.com", "v=spf1 ip4:192.0.2.0/24 ~all")
        out = shell("dns", code=1)
    assert "warm.example" in out
    assert "There is no DMARC record." in " ".join(out.split())


def test_it_shows_what_google_reported(world: World, shell: Shell):
    world.add("ada@warm.example", kind="warmup")
    with serving() as server:
        world.settings = Settings(dns_nameservers=f"{HOST}:{server.port}", dns_timeout=60)
        shell("dns", code=1)
        world.sql(
            "INSERT INTO gmail_warmup.domain_authentication"
            " (domain, method, result, is_aligned, seen_at, passed_at, failures) VALUES"
            " ('warm.example', 'spf', 'pass', true, now(), now(), 0),"
            " ('warm.example', 'dkim', 'fail', true, now(), NULL, 4)"
        )
        rows = {row["record"]: row for row in shell.json("dns", code=1)["records"]}
        out = " ".join(shell("dns", code=1).split())
    assert {record: row["confirmed"] for record, row in rows.items()} == {"spf": True, "dkim": False, "dmarc": False}
    assert (rows["spf"]["google"]["result"], rows["spf"]["google"]["failures"]) == ("pass", 0)
    assert rows["dkim"]["google"]["passed_at"] is None
    assert rows["dmarc"]["google"] is None
    assert "Google reports pass, sending continues." in out
    assert "Google: the last 4 mails did not pass." in out


def test_the_command_prints_what_the_task_logs(world: World, shell: Shell, caplog: pytest.LogCaptureFixture):
    world.add("ada@warm.example", kind="warmup")
    with serving() as server:
        world.settings = Settings(dns_nameservers=f"{HOST}:{server.port}", dns_timeout=60)
        shell("dns", code=1)
        assert "There is no DMARC record." not in caplog.text + shell.err
        log_findings(check_all_domains(world.store.engine, build_resolver(world.settings), selector="google"))
    assert "warm.example: dmarc: There is no DMARC record." in caplog.text


def test_without_a_domain_of_ones_own_there_is_nothing_to_look_at(shell: Shell):
    assert "No warmup mailbox" in shell("dns")
