"""What a DAG file costs to parse beyond Airflow itself, each time in a process of its own as the DAG processor does."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

_ROUNDS = 5
_PARSE = """
import gc, importlib, sys, time
import airflow.jobs.dag_processor_job_runner
from airflow.dag_processing.dagbag import DagBag
from airflow.utils.file import iter_airflow_imports
for module in iter_airflow_imports(sys.argv[1]):  # so does the DAG processor, once for all its children
    importlib.import_module(module)
DagBag(dag_folder=sys.argv[2])
began = time.perf_counter()
bag = DagBag(dag_folder=sys.argv[1])
milliseconds = (time.perf_counter() - began) * 1000
assert bag.dags and not bag.import_errors, bag.import_errors
print(milliseconds)
"""
_SMALLEST = """
import pendulum
from airflow.sdk import BaseOperator, BaseSensorOperator, DAG, Param, TaskGroup, dag, task
with DAG("smallest", schedule=None): BaseOperator(task_id="task")
"""


def parse_milliseconds(file: Path, home: Path) -> float:
    """Return how long a DAG file takes to parse where a smallest one was parsed before; the median of five."""
    home.mkdir(exist_ok=True)
    smallest = home / "smallest.py"
    smallest.write_text(_SMALLEST, encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "AIRFLOW_HOME": str(home)}
    command = [sys.executable, "-c", _PARSE, str(file), str(smallest)]
    taken = []
    for _ in range(_ROUNDS):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        taken.append(float(done.stdout.splitlines()[-1]))
    return statistics.median(taken)
