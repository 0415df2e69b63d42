"""The DAG gmail_token_health of the installed package, for a folder of DAGs; the package's DAG bundle needs no file."""

from gmail_warmup.airflow.dags.gmail_token_health import token_health_dag

__all__ = ["token_health_dag"]
