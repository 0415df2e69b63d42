"""The DAG gmail_monitor of the installed package, for a folder of DAGs; the package's DAG bundle needs no file."""

from gmail_warmup.airflow.dags.gmail_monitor import monitor_dag

__all__ = ["monitor_dag"]
