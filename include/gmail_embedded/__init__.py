"""Run PostgreSQL, Airflow and, optionally, the Google sandbox as processes of this machine, without Docker."""
