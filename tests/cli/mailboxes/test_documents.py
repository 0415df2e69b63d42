"""``gmail-warmup mailboxes export-data``: one file for each mailbox; an interrupted export is continued."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.world import World

ADA, BOB = "ada@warm.example", "bob@pool.example"


def test_each_mailbox_has_a_file_and_one_that_exists_is_kept(world: World, shell: Any, tmp_path: Path):
    world.add(ADA, display_name="Ada")
    world.add(BOB)
    shell("mailboxes", "export-data", str(tmp_path), ADA)
    before = (tmp_path / f"{ADA}.json").stat()
    assert before.st_mode & 0o777 == 0o600
    done = shell.json("mailboxes", "export-data", str(tmp_path), ADA, BOB)
    assert (len(done["written"]), len(done["kept"])) == (1, 1)
    assert (tmp_path / f"{ADA}.json").stat().st_mtime_ns == before.st_mtime_ns
    assert json.loads((tmp_path / f"{BOB}.json").read_text())["tables"]["mailbox"][0]["address"] == BOB
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"{ADA}.json", f"{BOB}.json"]


def test_a_folder_that_does_not_exist_is_refused(world: World, shell: Any, tmp_path: Path):
    world.add(ADA)
    shell("mailboxes", "export-data", str(tmp_path / "none"), ADA, code=2)
    assert "is not a folder" in shell.err
