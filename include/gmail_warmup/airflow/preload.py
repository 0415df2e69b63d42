"""Load what every task needs, once, in a process from which the processes of tasks are forked.

Without this a task would spend more time on imports than on its mail; nothing else depends on it. The option
``[gmail_warmup] preload`` switches it off. The plugin runs it in the scheduler if tasks run there (LocalExecutor), a
Celery worker if ``[celery] extra_celery_config`` is ``{"imports": ["gmail_warmup.preload"]}``. It opens no connection
and starts no thread, since neither survives a fork.

Every process imports this module with the plugin, tasks included, so its own imports are few.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from airflow.listeners import hookimpl

from gmail_warmup.airflow.configuration import is_enabled

_MODULES = (
    # Airflow itself loads these in each task, the third one for the decorator @task.
    "airflow.dag_processing.dagbag",
    "airflow.sdk.execution_time.supervisor",
    "airflow.providers.standard.decorators.python",
    # Imports of the DAG files and of their tasks.
    "gmail_warmup.airflow.assets",
    "gmail_warmup.airflow.operators",
    "gmail_warmup.airflow.retry_policy",
    "gmail_warmup.airflow.tasks.alerts",
    "gmail_warmup.airflow.tasks.warmup",
    # Imports that the first mail and the first statement would trigger.
    "airflow.sdk.crypto",
    "encodings.idna",
    "google.oauth2.credentials",
    "google_auth_httplib2",
    "holidays.countries",
    "psycopg2.extras",
    "requests",
    "sqlalchemy.dialects.postgresql.psycopg2",
)


@hookimpl
def on_starting(component: Any) -> None:
    """Run the preload in the scheduler, where the LocalExecutor forks tasks.

    Airflow calls this listener when a job is created, before the executor starts its processes.
    """
    # The job has no type yet. Its runner is imported in the scheduler only, and in the tasks forked from it, where the
    # component is no job.
    if "airflow.jobs.scheduler_job_runner" not in sys.modules:
        return
    from airflow.executors.executor_loader import ExecutorLoader
    from airflow.jobs.job import Job

    names = ExecutorLoader.get_executor_names()
    if isinstance(component, Job) and any(ExecutorLoader.import_executor_cls(name)[0].is_local for name in names):
        preload()


def preload() -> None:
    """Import the modules, fill their caches and compile the statements, unless the option is off."""
    if not is_enabled("preload"):
        return
    for name in _MODULES:
        import_module(name)
    _fill_caches()
    _prepare_engine()


def _fill_caches() -> None:
    from cryptography.fernet import Fernet

    from gmail_warmup.core.errors import ConfigurationError
    from gmail_warmup.core.network.environment import get_ssl_context
    from gmail_warmup.gmail.client import build_gmail_resources
    from gmail_warmup.warmup.content.template_library import load_builtin_templates

    try:
        get_ssl_context()
    except ConfigurationError:
        pass  # the tasks report it
    fernet = Fernet(Fernet.generate_key())
    fernet.decrypt(fernet.encrypt(b""))  # OpenSSL looks its algorithms up
    build_gmail_resources()
    load_builtin_templates()


def _prepare_engine() -> None:
    from gmail_warmup.airflow.services import Services
    from gmail_warmup.db.statement_cache import compile_statements, take_prepared_engine

    compile_statements()
    Services.make_task_engine = staticmethod(take_prepared_engine)
