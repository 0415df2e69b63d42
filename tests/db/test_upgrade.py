"""A database of the first release is upgraded to the newest revision and back, and keeps what is in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

DATABASE = "upgrade_walk"


@pytest.fixture(scope="module")
def found(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the walk found, on a database of its own."""
    admin = sa.create_engine(postgres, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {DATABASE}")
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": sa.make_url(postgres)
        .set(database=DATABASE)
        .render_as_string(hide_password=False),
    }
    walk = Path(__file__).with_name("upgrade_walk.py")
    done = subprocess.run([sys.executable, str(walk)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout[done.stdout.rindex('{"revisions"') :])


def test_the_first_release_had_data_everywhere(found: dict[str, Any]):
    assert found["revisions"][0] == "0001"
    assert len(found["revisions"]) >= 6
    assert found["empty"] == []


def test_every_upgrade_keeps_what_the_first_release_stored(found: dict[str, Any]):
    assert found["changed_going_up"] == []


def test_an_upgraded_database_is_as_the_models_say(found: dict[str, Any]):
    assert found["differences_at_the_newest"] is None
    assert found["differences_in_the_end"] is None


def test_every_downgrade_keeps_it_too_with_data_in_every_newer_table(found: dict[str, Any]):
    assert found["unfilled"] == []
    assert found["changed_going_down"] == []
    assert found["columns_left"]


def test_going_up_again_keeps_it_as_well(found: dict[str, Any]):
    assert found["kept_going_up_again"]
