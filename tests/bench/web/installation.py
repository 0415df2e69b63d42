"""Airflow's api-server as a process of its own, with a crowd of mailboxes and some DAGs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from bench.ground import Ground
from bench.web.crowd import add_crowd
from gmail_embedded.processes import MARK
from web.kit import Site
from web.serving import make_database, serving

DATABASE = "web"
DAGS = 100

_BUNDLE = "INSERT INTO dag_bundle (name, active) VALUES ('bench', true)"
_DAGS = """
INSERT INTO dag (dag_id, bundle_name, fileloc, relative_fileloc, owners, is_paused, is_stale, exceeds_max_non_backfill,
    timetable_type, timetable_partitioned, timetable_periodic, partition_mapper_info, max_active_tasks,
    max_consecutive_failed_dag_runs, has_task_concurrency_limits, has_import_errors, fail_fast)
SELECT 'dag_' || n, 'bench', '/dags/' || n || '.py', n || '.py', 'airflow', false, false, false,
    'airflow.timetables.trigger.CronTriggerTimetable', false, true, '{}', 16, 0, false, false, false
FROM generate_series(1, :dags) AS n
"""


_RUNS = """
INSERT INTO dag_run (dag_id, run_id, run_type, run_after, logical_date, start_date, end_date, state)
SELECT 'gmail_warmup', 'run-' || n, 'scheduled', at, at, at, at + interval '2 minutes',
    CASE WHEN n % 500 = 0 THEN 'failed' ELSE 'success' END
FROM generate_series(1, 365 * 144) AS n, LATERAL (SELECT now() - n * interval '10 minutes' AS at) t
"""


@contextmanager
def installation(ground: Ground) -> Iterator[Site]:
    """Run an api-server on a fresh database of the ground, filled with the crowd and with a hundred DAGs."""
    home = ground.folder.root / "web"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    url = ground.place().database_url
    _drop(url)
    # What a killed bench leaves is found by this mark, and ended by the next one.
    mark = {MARK: str(ground.folder.root)}
    with serving(home, make_database(url, DATABASE), ground.world().sandbox, **mark) as site:
        add_crowd(site.engine)
        site.sql(_BUNDLE)
        site.sql(_DAGS, dags=DAGS)
        site.sql(_RUNS)
        yield site


def _drop(url: str) -> None:
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
