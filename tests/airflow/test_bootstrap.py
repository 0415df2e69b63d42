"""``gmail-warmup init`` and bad input: one line that names the thing, the rule and the remedy, and nothing changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from sqlalchemy.orm import Session, sessionmaker

from gmail_warmup.airflow.bootstrap import initialize_installation, read_database_address
from gmail_warmup.core.errors import ConfigurationError, InvalidInputError
from gmail_warmup.core.options import validate_settings
from gmail_warmup.db.models import Base
from gmail_warmup.mailboxes.records import validate_mailbox_settings
from support.world import FERNET_KEY

GOOD = {"GOOGLE_CLIENT_ID": "123-abc.apps.googleusercontent.com", "GOOGLE_CLIENT_SECRET": "GOCSPX-x"}


@pytest.fixture(scope="module")
def empty_database(postgres: str) -> str:
    """Return the URL of a database without any table."""
    engine = sa.create_engine(postgres, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE airflow_empty")
    return sa.make_url(postgres).set(database="airflow_empty").render_as_string(hide_password=False)


def init(tmp_path: Path, database: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
    }
    program = Path(sys.prefix) / "bin" / "gmail-warmup"
    return subprocess.run([program, "init"], env=environment | variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AIRFLOW__CORE__FERNET_KEY": ""}, "AIRFLOW__CORE__FERNET_KEY is empty"),
        ({"AIRFLOW__CORE__FERNET_KEY": "short"}, "AIRFLOW__CORE__FERNET_KEY is not a list of Fernet keys"),
        ({}, "Run: airflow db migrate"),
        ({"GOOGLE_CLIENT_ID": "x y"}, "GOOGLE_CLIENT_SECRET is empty"),
        ({"AIRFLOW__GMAIL_WARMUP__MIN_GAP": "soon"}, "AIRFLOW__GMAIL_WARMUP__MIN_GAP"),
        ({"AIRFLOW__GMAIL_WARMUP__MIN_GAPP": "1"}, "AIRFLOW__GMAIL_WARMUP__MIN_GAPP"),
    ],
    ids=["no key", "bad key", "not migrated", "half a client", "bad setting", "unknown setting"],
)
def test_it_refuses_before_it_changes_anything(
    empty_database: str, tmp_path: Path, variables: dict[str, str], said: str
):
    done = init(tmp_path, empty_database, **variables)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    with sa.create_engine(empty_database, poolclass=sa.pool.NullPool).connect() as connection:
        assert sa.inspect(connection).get_table_names() == []


def test_no_database_is_one_line(tmp_path: Path):
    done = init(tmp_path, "postgresql+psycopg2://nobody:hunter2@127.0.0.1:9/airflow")
    assert done.returncode == 2
    assert "cannot be reached" in done.stderr
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("sending_window", "9-18", "HH:MM-HH:MM"),
        ("sending_window", "18:00-09:00", "start before it ends"),
        ("sending_window", "09:00-24:30", "within 00:00-24:00"),
        ("sending_days", "mon,funday", "must list days"),
        ("rescue_rate", "101", "less than or equal to 100"),
        ("delay_scale", "0", "greater than 0"),
        ("refresh_lease", "20", "refresh_lease must be longer"),
        ("token_header", "Subject", "match pattern"),
        ("label", "Warmup/", "match pattern"),
        ("night_pause", "23-7", "HH:MM-HH:MM"),
        ("night_pause", "23:00-24:00", "within 00:00-23:59"),
        ("night_pause", "07:00-07:00", "write none for no pause"),
        ("thread_depth", "7", "less than or equal to 6"),
        ("thread_depth", "1", "greater than or equal to 2"),
        ("star_rate", "-1", "greater than or equal to 0"),
        ("ramp_strat", "5", "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_setting_is_named(option: str, value: str, said: str):
    with pytest.raises(ConfigurationError, match=said):
        validate_settings({option: value})


def test_the_defaults_are_valid_and_documented():
    from gmail_warmup.airflow.provider_info import get_provider_info

    options = get_provider_info()["config"]["gmail_warmup"]["options"]
    validate_settings({name: option["default"] for name, option in options.items()})
    assert all(option["description"].endswith(".") for option in options.values())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "pool", "timezone": "Mars/Base"}, "timezone: is not an IANA time zone.*Mars/Base"),
        ({"kind": "pool", "open_rate": 101}, "open_rate.*101"),
        ({"kind": "pool", "reply_rate": -1}, "reply_rate.*-1"),
        ({"kind": "pool", "daily_target": 0}, "daily_target.*0"),
        ({"kind": "boss"}, "kind"),
        ({}, "kind"),
        ({"kind": "pool", "display_name": "a\r\nBcc: x@y.example"}, "display_name"),
        ({"kind": "pool", "signature": "a\0b"}, "signature: must not contain control characters"),
        ({"kind": "pool", "signature": "a" * 501}, "signature.*500"),
    ],
)
def test_wrong_mailbox_settings_are_named_with_their_mailbox(values: dict[str, object], said: str):
    with pytest.raises(InvalidInputError, match=f"ada@pool.example: .*{said}"):
        validate_mailbox_settings(values, address="ada@pool.example")


@pytest.mark.parametrize(
    ("given", "read"),
    [("", None), (" ", None), ("pgbouncer:6432", ("pgbouncer", 6432)), ("10.0.0.1:1", ("10.0.0.1", 1))],
)
def test_where_tasks_reach_the_database(given: str, read: tuple[str, int] | None):
    assert read_database_address({"GMAIL_WARMUP_DB_ADDRESS": given}) == read


@pytest.mark.parametrize("given", ["pgbouncer", ":6432", "pgbouncer:", "a b:1", "pgbouncer:65536", "u:p@host:1"])
def test_an_address_that_is_none_is_named(given: str):
    with pytest.raises(ConfigurationError, match="GMAIL_WARMUP_DB_ADDRESS must be HOST:PORT"):
        read_database_address({"GMAIL_WARMUP_DB_ADDRESS": given})


@pytest.fixture
def airflow_tables(postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[sessionmaker[Session]]:
    """Let Airflow use a database that has this package's tables and those of Airflow that ``init`` writes."""
    from airflow.models.connection import Connection
    from airflow.models.pool import Pool

    from airflow import settings

    admin = sa.create_engine(postgres, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE airflow_init")
    engine = sa.create_engine(sa.make_url(postgres).set(database="airflow_init"), poolclass=sa.pool.NullPool)
    Base.metadata.create_all(engine)
    for table in (Connection.__table__, Pool.__table__):
        Connection.metadata.create_all(engine, [table, *(key.column.table for key in table.foreign_keys)])
    made = sessionmaker(engine)
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", FERNET_KEY)
    monkeypatch.setattr(settings, "engine", engine)
    monkeypatch.setattr(settings, "Session", made)
    yield made
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE airflow_init WITH (FORCE)")


def test_a_second_init_keeps_the_extra_of_the_client(airflow_tables: sessionmaker[Session]):
    """During a rotation both secrets are in the Connection; ``init`` runs at every deployment."""
    from airflow.models.connection import Connection

    of_client = sa.select(Connection).where(Connection.conn_id == "gmail_oauth_client")
    initialize_installation(GOOD)
    with airflow_tables.begin() as session:
        extra = {"secrets": ["GOCSPX-second"], "token_uri": "http://old", "api_endpoint": "http://kept", "note": "mine"}
        session.scalars(of_client).one().extra = json.dumps(extra)
    initialize_installation(GOOD | {"GOOGLE_CLIENT_SECRET": "GOCSPX-new", "GOOGLE_TOKEN_URI": "http://new"})
    with airflow_tables() as session:
        stored = session.scalars(of_client).one()
        assert stored.password == "GOCSPX-new"
        assert stored.extra_dejson == extra | {"token_uri": "http://new"}
    initialize_installation(GOOD | {"GOOGLE_TOKEN_URI": ""})
    with airflow_tables() as session:
        del extra["token_uri"]
        assert session.scalars(of_client).one().extra_dejson == extra
