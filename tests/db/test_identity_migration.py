"""An upgrade keeps second addresses of one Google mailbox, paused and numbered; it never fails because of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.core.enums import CONSUMER_DOMAINS

GMAIL, GOOGLEMAIL = CONSUMER_DOMAINS

DATABASE = "identity_walk"


@pytest.fixture(scope="module")
def found(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    admin = sa.create_engine(postgres, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {DATABASE}")
    url = sa.make_url(postgres).set(database=DATABASE).render_as_string(hide_password=False)
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
    }
    walk = Path(__file__).with_name("identity_walk.py")
    done = subprocess.run([sys.executable, str(walk)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout[done.stdout.rindex('{"upgraded"') :])


def test_the_mailbox_that_works_keeps_the_identity_otherwise_the_oldest(found: dict[str, Any]):
    rows = {row["address"]: row for row in found["upgraded"]}
    kept = {address for address, row in rows.items() if row["duplicate_number"] == 0}
    assert kept == {f"a.da@{GMAIL}", f"eve@{GMAIL}", "ada@example.com", "a.da@example.com"}
    assert sorted(row["duplicate_number"] for row in rows.values() if row["identity"] == f"ada@{GMAIL}") == [0, 1, 2]


def test_the_others_are_paused_and_say_why(found: dict[str, Any]):
    reasons = {row["address"]: row["pause_reason"] for row in found["upgraded"] if row["duplicate_number"]}
    assert reasons == {
        f"ada@{GMAIL}": f"is the same Google mailbox as a.da@{GMAIL}",
        f"ada+x@{GOOGLEMAIL}": f"is the same Google mailbox as a.da@{GMAIL}",
        f"e.ve@{GMAIL}": f"is the same Google mailbox as eve@{GMAIL}",
    }


def test_it_works_down_and_up_again(found: dict[str, Any]):
    assert found["again"] == found["upgraded"]


def test_they_are_reached_by_their_address_and_stay_paused(found: dict[str, Any]):
    assert found["reached"] == [f"e.ve@{GMAIL}", f"eve@{GMAIL}", f"eve@{GMAIL}"]
    assert found["resumed"] == [0, 1]


def test_values_that_stopped_everybody_are_replaced(found: dict[str, Any]):
    assert found["values"] == [["ada@example.com", "UTC", None], [f"eve@{GMAIL}", "Europe/Athens", "Eve L"]]
