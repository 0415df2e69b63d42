"""`make up` reports a wrong setting in one line before anything is started."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from gmail_embedded import start_summary
from gmail_embedded.__main__ import build_options
from gmail_embedded.environment import airflow_environment
from gmail_embedded.errors import EmbeddedError
from gmail_embedded.runfolder import RunFolder
from gmail_embedded.stack import Options, Stack
from gmail_warmup.airflow.configuration import load_urls

CLIENT = {"GOOGLE_CLIENT_ID": "1234567890-abc.apps.googleusercontent.com", "GOOGLE_CLIENT_SECRET": "GOCSPX-abc"}


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET are not set"),
        ({"GOOGLE_CLIENT_ID": " "}, "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET are not set"),
        (CLIENT | {"GOOGLE_CLIENT_SECRET": ""}, "GOOGLE_CLIENT_SECRET is empty"),
        (CLIENT | {"GOOGLE_CLIENT_ID": "a b"}, "GOOGLE_CLIENT_ID is malformed"),
        (CLIENT | {"PORT": "http"}, "PORT=http is not a port"),
    ],
)
def test_a_wrong_variable_is_named(variables: dict[str, str], named: str) -> None:
    with pytest.raises(EmbeddedError) as caught:
        build_options(variables)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "GOCSPX" not in str(caught.value)


@pytest.mark.parametrize(("variables", "port"), [({}, 8080), ({"PORT": "8090"}, 8090)])
def test_who_has_no_client_yet_is_told_the_redirect_uri_that_it_needs(variables: dict[str, str], port: int) -> None:
    with pytest.raises(EmbeddedError, match=f"redirect URI http://localhost:{port}/gmail-warmup/oauth/callback, put"):
        build_options(variables)


def test_the_redirect_uri_that_is_shown_is_the_one_that_the_page_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://localhost:8080")
    assert start_summary.build_redirect_uri("http://localhost:8080") == load_urls().redirect_uri


WRONG = {"status": "problem", "name": "token endpoint", "found": "Secret 1 of 1 is refused.", "step": "Correct [it]."}


@pytest.mark.parametrize(
    ("known", "wrong", "there", "not_there"),
    [
        (0, [], ["First steps", "1. In the Google Cloud", "2. Open http://localhost:1/plugin/gmail-accounts"], "fix"),
        (2, [], ["2 mailboxes: http://localhost:1/plugin/gmail-accounts"], "First steps"),
        (1, [WRONG], ["To fix", "problem  token endpoint: Secret 1 of 1 is refused. Correct [it]."], "First steps"),
    ],
)
def test_a_newcomer_sees_what_to_do_and_others_what_is_wrong(
    known: int, wrong: list[dict[str, str]], there: list[str], not_there: str
) -> None:
    out = Console(file=io.StringIO(), width=500)
    start_summary.print_summary(
        out,
        base_url="http://localhost:1",
        login=("admin", "pass"),
        logs=Path("/logs"),
        mailbox_count=known,
        failed=wrong,
        commands="Commands: make cli",
    )
    text = out.file.getvalue()  # type: ignore[attr-defined]
    for line in (
        "http://localhost:1/gmail-warmup/oauth/callback",
        "admin / pass",
        "/logs",
        "Ctrl-C",
        "make cli",
        *there,
    ):
        assert line in text
    assert not_there not in text


def test_settings_and_client_reach_the_stack_and_nothing_else_does() -> None:
    variables = {"AIRFLOW__GMAIL_WARMUP__RAMP_CAP": "30", "AIRFLOW__CORE__EXECUTOR": "x", "POSTGRES_PASSWORD": "x"}
    metrics = {"AIRFLOW__METRICS__STATSD_ON": "True"}
    options = build_options(CLIENT | variables | metrics, port=8081)
    assert options.settings == {"ramp_cap": "30"}
    assert options.environment == CLIENT | metrics
    assert (options.port, options.durable, options.sandbox) == (8081, True, False)
    assert "GOCSPX" not in repr(options)


def test_a_wrong_setting_is_named_before_anything_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    stack = Stack(folder, Options(settings={"ramp_cap": "many"}))
    with stack, pytest.raises(EmbeddedError, match="AIRFLOW__GMAIL_WARMUP__RAMP_CAP"):
        stack.start()
    assert [path.name for path in folder.iterdir()] == ["lock"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is missing. Create it with: make env"),
        ("GOOGLE_CLIENT_ID = x", "line 1: a line must read NAME=value"),
        ("GOOGLE_CLIENT_ID=\n", "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET are not set"),
    ],
)
def test_the_command_ends_with_one_line(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / ".env").write_text(text)
    argv = [sys.executable, "-m", "gmail_embedded", "up", "--env-file", str(tmp_path / ".env")]
    result = subprocess.run(
        [*argv, "--folder", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
        timeout=60,
    )
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert not (tmp_path / "run").exists()


def test_nothing_of_the_callers_airflow_leaks_into_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AIRFLOW__CORE__EXECUTOR", "AIRFLOW_HOME", "PYTHONPATH", "HOME", "GOOGLE_CLIENT_SECRET"):
        monkeypatch.setenv(name, "the caller's")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "intern.example")
    folder = RunFolder(tmp_path)
    folder.prepare()

    found = airflow_environment(
        folder, database_url="postgresql://x", port=1, base_url="http://x", settings={"ramp_cap": "3"}
    )

    assert "the caller's" not in found.values()
    assert found["HOME"] == found["AIRFLOW_HOME"] == str(tmp_path / "airflow")
    assert found["PATH"].split(":")[0] == str(Path(sys.prefix) / "bin")
    assert found["AIRFLOW__GMAIL_WARMUP__RAMP_CAP"] == "3"
    assert found["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert {"127.0.0.1", "localhost", "intern.example"} <= set(found["NO_PROXY"].split(","))
