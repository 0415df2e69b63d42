"""``gmail-warmup report``."""

from __future__ import annotations


def test_a_report_about_no_mailbox_says_so_first(world, shell):
    world.add("ada@one.example", kind="warmup")
    text = shell("report", "--tag", "nobody").splitlines()
    assert text[2] == "No mailbox has the tag nobody."
    assert text[4] == "Mails:"
    assert "No mailbox" not in shell("report", "--domain", "one.example")
    assert shell.json("report", "--domain", "two.example")["note"] == "No mailbox belongs to the domain two.example."
