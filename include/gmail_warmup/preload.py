"""Import path by which an installation loads what tasks need before the fork, see ``airflow.preload``."""

from gmail_warmup.airflow.preload import preload

preload()
