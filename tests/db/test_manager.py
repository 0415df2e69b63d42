"""The schema through Airflow's own commands: created, migrated, compared, restricted, downgraded, reset."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.utils.db_manager import RunDBManager
from cryptography.fernet import Fernet
from sqlalchemy.orm import Session

from airflow import settings
from gmail_warmup.db.manager import GmailWarmupDBManager
from gmail_warmup.db.models import Base

TABLES = [
    "alert", "alert_item", "asset_flag", "audit", "breaker", "canary", "change_log", "consent", "dag_heartbeat",
    "domain_authentication", "domain_check", "domain_day", "domain_volume", "grant_day", "grant_event", "halt",
    "health_event", "incident", "invite", "ledger", "ledger_history", "mailbox", "mailbox_authentication",
    "mailbox_day", "mailbox_failure", "mailbox_readiness", "mailbox_removal", "mailbox_tag", "oauth_client",
    "oauth_client_user", "oauth_grant",
    "owner_mail", "plan_basis", "repair", "report_link", "tag_schedule", "webhook_delivery", "webhook_event",
    "webhook_receiver",
]  # fmt: skip


@pytest.fixture(scope="module")
def found(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the walk found, on a database of its own."""
    admin = sa.create_engine(postgres, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE airflow_walk")
    url = sa.make_url(postgres).set(database="airflow_walk").render_as_string(hide_password=False)
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
    }
    walk = Path(__file__).with_name("airflow_database.py")
    done = subprocess.run([sys.executable, str(walk)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout[done.stdout.rindex('{"created"') :])
    other_key = environment | {"AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode()}
    init = subprocess.run(
        [Path(sys.prefix) / "bin" / "gmail-warmup", "init"], env=other_key, capture_output=True, text=True, check=False
    )
    seen["init_that_cannot_read_connections"] = (init.returncode, init.stderr)
    airflow = Path(sys.prefix) / "bin" / "airflow"
    subprocess.run([airflow, "db", "reset", "-y", "--skip-init"], env=environment, capture_output=True, check=True)
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    seen["schemas_after_reset"] = sa.inspect(engine).get_schema_names()
    seen["version_table_after_reset"] = sa.inspect(engine).has_table("alembic_version_gmail_warmup")
    return seen


def test_models_are_the_design_tables():
    assert sorted(table.name for table in Base.metadata.sorted_tables) == TABLES


def test_airflow_creates_the_schema(found: dict[str, Any]):
    assert found["created"] == TABLES


def test_models_and_migrations_agree(found: dict[str, Any]):
    assert found["differences_after_create"] is None
    assert found["migrated"] == TABLES
    assert found["differences_after_migration"] is None


def test_functions_of_models_and_migrations_agree(found: dict[str, Any]):
    assert found["same_functions"] == dict.fromkeys(
        (
            "count_claim",
            "count_client_user",
            "local_date",
            "drop_months",
            "delete_mailbox_history",
            "forget_mailbox_changes",
            "add_count",
            "add_domain_days",
            "erase_mailbox",
            "move_domain_days",
            "delete_mailbox_days",
            "mail_is_pending",
            "make_months",
            "move_mails",
            "remove_old",
            "remove_old_changes",
            "record_webhook_event",
        ),
        True,
    )


def test_months_come_and_go_without_a_migration_and_no_mail_is_lost_either_way(found: dict[str, Any]):
    assert found["moved"] == found["moved_again"] == 4
    assert {"ledger_history_2026_01", "ledger_history_2026_02"} <= set(found["months"])
    assert found["differences_with_months"] is None
    assert found["mails_after_downgrade"]
    assert found["mails_after_upgrade"]


def test_init_may_be_repeated_while_everything_runs(found: dict[str, Any]):
    assert found["connections"] == [
        ["gmail_oauth_client", "gmail_oauth_client", "client-1.apps.example.com"],
        ["gmail_warmup_db", "postgres", "gmail_warmup_airflow_walk"],
    ]
    assert found["same_after_a_second_init"]


def test_init_makes_the_canary_and_refuses_another_key(found: dict[str, Any]):
    assert found["canary_fits"]
    assert "AIRFLOW__CORE__FERNET_KEY is not the key" in found["init_with_another_key"]
    assert found["client_after_it"] == "client-1.apps.example.com"


def test_init_with_connections_under_another_key_names_the_remedy(found: dict[str, Any]):
    code, said = found["init_that_cannot_read_connections"]
    assert code == 2, said
    assert "does not decrypt the Airflow Connection 'gmail_oauth_client'" in said
    assert "airflow rotate-fernet-key" in said
    assert "Traceback" not in said


def test_nothing_of_airflows_own_is_open_to_the_role(found: dict[str, Any]):
    assert found["tables_of_airflow"] > 30
    assert found["open_to_the_role"] == []


def test_downgrade_removes_the_tables(found: dict[str, Any]):
    assert found["after_downgrade"] == []


def test_airflow_reset_leaves_nothing_behind(found: dict[str, Any]):
    assert "gmail_warmup" not in found["schemas_after_reset"]
    assert found["version_table_after_reset"] is False


def test_sqlite_is_refused_in_one_sentence_before_a_table_is_created(tmp_path: Path):
    file = tmp_path / "airflow.db"
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{file}",
    }
    airflow = Path(sys.prefix) / "bin" / "airflow"
    done = subprocess.run([airflow, "db", "migrate"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert (
        done.stderr.strip()
        .splitlines()[-1]
        .startswith("gmail-warmup needs PostgreSQL, but Airflow's database is sqlite")
    )
    assert "Traceback" not in done.stderr + done.stdout
    assert sa.inspect(sa.create_engine(f"sqlite:///{file}")).get_table_names() == []


@pytest.mark.parametrize("url", ["sqlite:////tmp/x.db", "mysql+mysqldb://u:hunter2@host/x", "mysql+pymysql://host/x"])
def test_another_database_is_refused_whatever_airflow_does_first(monkeypatch: pytest.MonkeyPatch, url: str):
    monkeypatch.setattr(settings, "SQL_ALCHEMY_CONN", url)
    with pytest.raises(SystemExit, match="gmail-warmup needs PostgreSQL") as caught:
        RunDBManager._validate(GmailWarmupDBManager)
    assert "hunter2" not in str(caught.value)


def test_a_session_of_another_database_is_refused_before_a_table_is_created():
    engine = sa.create_engine("sqlite://")
    with Session(engine) as session, pytest.raises(SystemExit, match="is sqlite; nothing was changed"):
        GmailWarmupDBManager(session).initdb()
    assert sa.inspect(engine).get_table_names() == []
