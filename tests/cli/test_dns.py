"""``gmail-warmup dns`` against a name server of the test's own."""

from __future__ import annotations

from cli.conftest import Shell
from domains.name_server import HOST, serving
from gmail_warmup.core.settings import Settings
from support.world import World


def test_it_tells_what_is_bad_and_what_to_do(world: World, shell: Shell):
    world.add("ada@warm.example", kind="warmup")
    with serving() as server:
        world.settings = Settings(dns_nameservers=f"{HOST}:{server.port}", dns_timeout=2)
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


def test_without_a_domain_of_ones_own_there_is_nothing_to_look_at(shell: Shell):
    assert "No warmup mailbox" in shell("dns")
