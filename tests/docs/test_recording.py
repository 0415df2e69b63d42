"""The terminal emulator renders rich correctly, and the recorded picture contains nothing else."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from rich.console import Console
from rich.live import Live

from gmail_embedded.demo import REPORT_TITLE

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import record_demo  # noqa: E402
from terminal import Terminal  # noqa: E402

PICTURE = ROOT / "docs" / "images" / "demo.svg"


def shown(terminal: Terminal) -> list[str]:
    return ["".join(char for char, _ in line).rstrip() for line in terminal.lines()]


class Screen:
    """A file that rich treats as a terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def write(self, text: str) -> int:
        self.terminal.feed(text.replace("\n", "\r\n"))  # like the kernel's terminal
        return len(text)

    def flush(self) -> None:
        """Do nothing: output is not buffered."""

    def isatty(self) -> bool:
        return True


def test_what_rich_draws_over_is_gone_and_what_it_prints_stays():
    terminal = Terminal(40, 10)
    console = Console(file=Screen(terminal), width=40, height=10, force_terminal=True)  # type: ignore[arg-type]
    for step in ("first", "second"):
        with Live(f"{step} is running\non two lines", console=console, transient=True, auto_refresh=False) as live:
            live.update(f"{step} is nearly done", refresh=True)
        console.print(f"[green]ok[/] {step}")
    assert shown(terminal)[:2] == ["ok first", "ok second"]
    assert [line for line in shown(terminal) if "running" in line or "nearly" in line] == []
    assert terminal.lines()[0][0] == ("o", "green")


def test_a_full_screen_scrolls_and_a_long_line_wraps():
    terminal = Terminal(5, 3)
    terminal.feed("one\r\ntwo\r\nthree and\r\nfour")
    assert shown(terminal) == ["three", " and", "four"]


def test_each_line_is_drawn_once_and_each_frame_has_its_time():
    line = (("a", ""), ("<", "red"))
    picture = record_demo.draw([(0.5, [line]), (0.5, [line, line]), (8.0, [line])])
    tree = ET.fromstring(picture)
    assert len(tree.findall(".//{*}defs/{*}text")) == 1
    assert [len(group.findall("{*}use")) for group in tree.findall(".//{*}g/{*}g")] == [1, 2, 1]
    assert len(re.findall("@keyframes", picture)) == 3


def test_the_picture_is_small_and_holds_nothing_of_this_machine():
    text = PICTURE.read_text()
    assert len(text) < 1_000_000
    words = "".join(ET.fromstring(text).itertext())
    assert REPORT_TITLE in words, "the demo has changed: run make recording"
    assert "0 need re-authentication" in words
    assert str(ROOT) not in words
    assert not record_demo._SECRET.search(words)
