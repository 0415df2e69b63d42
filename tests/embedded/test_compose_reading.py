"""A compose file has the same meaning as for Docker, and unsupported keys are errors."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from gmail_embedded import compose
from gmail_embedded.addresses import Addresses
from gmail_embedded.compose import COMPLETED, HEALTHY, STARTED, HealthCheck, Service
from gmail_embedded.errors import EmbeddedError

ROOT = Path(__file__).resolve().parents[2]
SET = {"NAME": "value", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("plain", "plain"),
        ("${NAME}", "value"),
        ("$NAME!", "value!"),
        ("a-${NAME}-b", "a-value-b"),
        ("${NAME:-other}", "value"),
        ("${ABSENT:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY-other}", ""),
        ("${ABSENT-other}", "other"),
        ("${ABSENT:-}", ""),
        ("${ABSENT}", ""),
        ("${NAME:?message}", "value"),
        ("${EMPTY?message}", ""),
        ("$$NAME", "$NAME"),
        ("$${NAME}", "${NAME}"),
        ("$$${NAME}", "$value"),
    ],
)
def test_variables_are_put_in(text: str, read: str) -> None:
    missing: dict[str, str] = {}
    assert compose.interpolate(text, SET, missing) == read
    assert missing == {}


@pytest.mark.parametrize("text", ["${ABSENT:?set it}", "${ABSENT?set it}", "${EMPTY:?set it}"])
def test_a_missing_variable_is_noted_with_its_message(text: str) -> None:
    missing: dict[str, str] = {}
    compose.interpolate(text, SET, missing)
    assert list(missing.values()) == ["set it"]


@pytest.mark.parametrize("text", ["100$", "${NAME", "${NAME:+x}", "${A:-${B}}", "${}", "$1"])
def test_a_dollar_that_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        compose.interpolate(text, SET, {})


def one(text: str, **variables: str) -> Service:
    """Read a file with one service, whose entries are given."""
    file = f"services:\n  it:\n{textwrap.indent(textwrap.dedent(text), '    ')}"
    return compose.parse_services(file, variables)["it"]


def test_merge_keys_are_merged_and_the_nearer_wins() -> None:
    text = """
    x-a: &a {A: "1", BOTH: "of a"}
    x-b: &b {B: "2", BOTH: "of b"}
    x-service: &base
      command: ["sleep", "1"]
      depends_on: {db: {condition: service_healthy}}
    services:
      app:
        <<: *base
        environment:
          <<: [*a, *b]
          A: "3"
      db: {command: ["sleep", "1"]}
    """
    app = compose.parse_services(textwrap.dedent(text), {})["app"]
    assert app.environment == {"A": "3", "B": "2", "BOTH": "of a"}
    assert app.command == ("sleep", "1")
    assert app.depends_on == {"db": HEALTHY}


def test_an_entry_without_a_value_is_passed_on_if_it_is_set() -> None:
    found = one("environment: {GIVEN: , LEFT: , NUMBER: 8}", GIVEN="here")
    assert found.environment == {"GIVEN": "here", "NUMBER": "8"}
    assert "here" not in repr(found)


@pytest.mark.parametrize(
    ("entries", "attribute", "value"),
    [
        ("command: ['a', 'b c']", "command", ("a", "b c")),
        ("command: a 'b c'", "command", ("a", "b c")),
        ("ports: ['9000:80']", "published", {80: 9000}),
        ("ports: ['127.0.0.1:9000:80']", "published", {80: 9000}),
        ("scale: 3", "scale", 3),
        (
            "healthcheck: {test: [CMD, a, b], interval: 5s, timeout: 1m30s, retries: 4, start_period: 500ms}",
            "check",
            HealthCheck(argv=("a", "b"), interval=5, timeout=90, retries=4, start_period=0.5),
        ),
        ("healthcheck: {test: [CMD-SHELL, 'a | b']}", "check", HealthCheck(argv=("/bin/sh", "-c", "a | b"))),
        ("read_only: true\ntmpfs: [/tmp]", "read_only", True),
        ("tmpfs: [/tmp]", "read_only", False),
        ("image: a\nbuild: .\nrestart: always\nvolumes: []\nsecurity_opt: []", "command", ()),
    ],
)
def test_what_a_service_runs_with(entries: str, attribute: str, value: object) -> None:
    assert getattr(one(entries), attribute) == value


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        ("env_file: .env", "'env_file' of the service it is not supported"),
        ("healthcheck: {test: [CMD, a], start_interval: 1s}", "'start_interval' of a healthcheck is not supported"),
        ("healthcheck: {test: [NONE]}", "not with 'NONE'"),
        ("healthcheck: {test: [CMD, a], interval: 5}", "expected string"),
        ("healthcheck: {test: [CMD, a], interval: 5 s}", "'5 s' is not a duration"),
        ("environment: {A: true}", "the value of A is a boolean"),
        ("ports: ['80']", "the port '80' is not of the form"),
        ("depends_on: [gone]", "it waits for gone, which is not a service"),
        ("depends_on: [it]", "these services wait for each other: it"),
        ("read_only: true", "needs /tmp as tmpfs"),
        ("tmpfs: [/run]", "a tmpfs other than /tmp"),
        ("command: ['a$']", "a '$' in 'a$...'"),
    ],
)
def test_what_is_not_understood_is_named(entries: str, named: str) -> None:
    with pytest.raises(EmbeddedError) as caught:
        one(entries)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_services_come_after_those_that_they_wait_for() -> None:
    text = """
    services:
      c: {depends_on: {b: {condition: service_completed_successfully}}}
      b: {depends_on: [a]}
      a: {}
    """
    found = compose.parse_services(textwrap.dedent(text), {})
    assert list(found) == ["a", "b", "c"]
    assert (found["b"].depends_on, found["c"].depends_on) == ({"a": STARTED}, {"b": COMPLETED})


def test_all_that_is_missing_is_named_at_once_and_what_to_do() -> None:
    file = ROOT / "docker-compose.yaml"
    names = compose.find_required_variables(file.read_text())
    with pytest.raises(EmbeddedError) as caught:
        compose.read_services(file, {})
    assert names >= {"FERNET_KEY", "JWT_SECRET", "POSTGRES_PASSWORD", "GOOGLE_CLIENT_ID"}
    assert all(f"{name}: set it in .env" in str(caught.value) for name in names)


def test_addresses_are_rewritten_where_the_file_names_them() -> None:
    here = Addresses(["postgres", "redis", "api-server"])
    here.set_port("api-server", 8080, 9000)
    redis, health = here.get_port("redis", 6379), here.get_port("scheduler", 8974)
    assert redis != health
    for text, rewritten in {
        "redis://:pw@redis:6379/0": f"redis://:pw@127.0.0.1:{redis}/0",
        "http://api-server:8080/execution/": "http://127.0.0.1:9000/execution/",
        "http://localhost:8080": "http://localhost:8080",  # the browser's address, which is this machine's already
        "http://my-redis:6379": "http://my-redis:6379",
    }.items():
        assert here.rewrite(text) == rewritten
    for service, argv, words in (
        ("api-server", ["airflow", "api-server", "--port", "8080"], ["airflow", "api-server", "--port", "9000"]),
        ("scheduler", ["curl", "http://localhost:8974/health"], ["curl", f"http://127.0.0.1:{health}/health"]),
        ("redis", ["/bin/sh", "-c", "redis-cli -p 6379 ping"], ["/bin/sh", "-c", f"redis-cli -p {redis} ping"]),
        ("worker-1", ["airflow", "celery", "worker", "--concurrency", "8"], None),
    ):
        assert here.rewrite_command(service, argv) == (words or argv)
