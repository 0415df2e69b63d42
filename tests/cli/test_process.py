"""The commands as processes: an output that cannot be written, a reader that has enough, and Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

CLI = (sys.executable, "-m", "gmail_warmup.cli")
PRINTING = [("--version",), ("--help",), ("content", "lint"), ("content", "lint", "--json"), ("doctor", "--help")]


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_a_full_disk_is_one_line_that_names_the_output_and_the_cause(words: tuple[str, ...]):
    with open("/dev/full", "w") as full:
        done = subprocess.run([*CLI, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "Error: stdout cannot be written: No space left on device.\n")


def test_an_error_that_cannot_be_written_is_still_an_error():
    with open("/dev/full", "w") as full:
        done = subprocess.run([*CLI, "report", "--tag", "a", "--domain", "b"], stderr=full, check=False)
    assert done.returncode == 2


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_a_reader_that_has_enough_ends_the_command_silently(words: tuple[str, ...]):
    process = subprocess.Popen([*CLI, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    said = process.stderr.read()
    assert (process.wait(), said) == (141, "")


PROGRAMS = [("gmail_warmup.cli", "typer"), ("gmail_embedded", "sqlalchemy"), ("gmail_embedded.demo", "sqlalchemy")]


@pytest.mark.parametrize(("module", "loading"), PROGRAMS)
def test_ctrl_c_while_the_modules_load_prints_no_traceback(module: str, loading: str):
    command = [sys.executable, "-X", "importtime", "-m", module, "--help"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    for line in process.stderr:
        if loading in line:
            break
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert (process.wait(), "Traceback" in said) == (130, False), said[-2000:]
