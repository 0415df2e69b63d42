from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from gmail_embedded.progress import Progress


@pytest.fixture
def plain() -> Console:
    return Console(file=io.StringIO(), force_terminal=False, width=60)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_step_is_one_plain_line_without_a_terminal(plain: Console) -> None:
    with Progress(plain).step("PostgreSQL") as step:
        step.update("starting")
        step.update("18.4")
    assert re.fullmatch(r"(✓|ok) PostgreSQL  0\.\d s  18\.4\n", shown(plain))
    assert "\x1b" not in shown(plain)


def test_a_failed_step_gives_its_reason_in_one_unbroken_line_and_goes_on(plain: Console) -> None:
    reason = "nothing listens on " + "/a/very/long/path" * 10
    with pytest.raises(RuntimeError), Progress(plain).step("PostgreSQL"):
        raise RuntimeError(f"{reason}\nmore")
    assert re.fullmatch(rf"(✗|FAILED) PostgreSQL  0\.\d s  {reason}\n", shown(plain))


@pytest.mark.parametrize(("error", "reason"), [(KeyboardInterrupt(), "interrupted"), (SystemExit(143), "by a signal")])
def test_an_interrupted_step_says_so(plain: Console, error: BaseException, reason: str) -> None:
    with pytest.raises(type(error)), Progress(plain).step("PostgreSQL"):
        raise error
    assert reason in shown(plain)


def test_a_terminal_sees_the_step_move_and_one_line_in_the_end() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=60, legacy_windows=False)
    with Progress(console).step("PostgreSQL") as step:
        step.update("starting")
    last = shown(console).replace("\r", "\n").splitlines()[-1]
    assert "PostgreSQL" in last
    assert "\x1b[?25h" in shown(console), "the cursor stays hidden"


def test_markup_in_a_detail_is_shown_as_it_is(plain: Console) -> None:
    with Progress(plain).step("Run") as step:
        step.update("send[a@example.com] [/red]")
    assert "send[a@example.com] [/red]" in shown(plain)
