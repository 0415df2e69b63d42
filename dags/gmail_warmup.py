"""The DAG gmail_warmup of the installed package, for a folder of DAGs; the DAG bundle of the package needs no file."""

from gmail_warmup.airflow.dags.gmail_warmup import warmup_dag

__all__ = ["warmup_dag"]
