"""The import path that an installation names to load what tasks need before the fork."""

import gmail_warmup.airflow.preload  # noqa: F401
