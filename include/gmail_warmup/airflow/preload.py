"""What every task needs, loaded once by importing this module, in a process from which those of tasks are forked.

A task is a process of its own and would spend more time on these imports than on its mails. The plugin imports this
module in the scheduler where tasks run there (LocalExecutor), a Celery worker where the option ``extra_celery_config``
of ``[celery]`` is ``{"imports": ["gmail_warmup.preload"]}``. It opens no connection and starts no thread, for neither
survives a fork.
"""

from __future__ import annotations

from importlib import import_module

from gmail_warmup.core import http_utils
from gmail_warmup.crypto import cipher
from gmail_warmup.db import statement_cache
from gmail_warmup.gmail import client, transport
from gmail_warmup.warmup.content import template_library

_MODULES = (
    # Airflow itself loads these in each task, the third one for the decorator @task.
    "airflow.dag_processing.dagbag",
    "airflow.sdk.execution_time.supervisor",
    "airflow.providers.standard.decorators.python",
    # What the DAG files import, and what their tasks do.
    "gmail_warmup.airflow.assets",
    "gmail_warmup.airflow.operators",
    "gmail_warmup.airflow.retry_policy",
    "gmail_warmup.airflow.tasks",
    # What is otherwise loaded by the first mail and the first statement.
    "airflow.sdk.crypto",
    "encodings.idna",
    "google.oauth2.credentials",
    "google_auth_httplib2",
    "psycopg2.extras",
    "sqlalchemy.dialects.postgresql.psycopg2",
)

for _name in _MODULES:
    import_module(_name)
http_utils.get_ssl_context()
cipher.warm_up_openssl()
client.build_users_api()
transport.prepare_client()
template_library.load_builtin_templates()
statement_cache.compile_statements()
