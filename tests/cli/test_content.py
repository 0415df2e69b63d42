"""``gmail-warmup content``: what an operator sees of the templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gmail_warmup.core.settings import Settings
from support.world import World

TEXTS = {
    "first": "== notes\nSubject: Notes\nHello {recipient},\n\nhere they are.\n\n{signature}\n",
    "replies": "== thanks\nThank you, {recipient}.\n\n{sender}\n",
    "followups": "== fine\nFine.\n\n{sender}\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind, text in TEXTS.items():
        (tmp_path / f"{kind}.txt").write_text(text, encoding="utf-8")
    return tmp_path


def test_the_library_and_a_sound_folder_have_no_problems(world: World, folder: Path, shell: Any):
    assert "0 problems in the built-in library" in shell("content", "lint")
    assert f"0 problems in {folder} (3 templates)." in shell("content", "lint", str(folder))
    found = shell.json("content", "lint", str(folder))
    assert (found["ok"], found["templates"], found["problems"]) == (True, 3, [])
    assert found["notes"][0].startswith("first.txt: 1 subject and 1 text; 20 different ones are needed")


def test_problems_are_named_by_line_with_a_remedy(world: World, folder: Path, shell: Any):
    (folder / "replies.txt").write_text("== one\nGOOD MORNING | {x}\n")
    shown = shell("content", "lint", str(folder), code=1)
    where = "replies.txt, line 2, template 'one'"
    assert f"{where}: unknown placeholder {{x}}. Use {{recipient}}, {{sender}}, {{signature}}." in shown
    assert f"{where}: contains shouting ('GOOD MORNING'). Use lower case and a single punctuation mark." in shown
    world.settings = Settings(templates_folder=str(folder))
    found = shell.json("content", "lint", code=1)
    assert found["ok"] is False
    assert [(problem["template"], problem["line"]) for problem in found["problems"]] == [("one", 2), ("one", 2)]


def test_a_folder_that_is_not_there(world: World, tmp_path: Path, shell: Any):
    assert "the folder cannot be read" in shell("content", "lint", str(tmp_path / "gone"), code=1)
