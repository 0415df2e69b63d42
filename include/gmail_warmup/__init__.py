"""Warm Gmail mailboxes up on Apache Airflow and keep their OAuth grants alive."""

__version__ = "0.1.0"
