"""PostgreSQL, Airflow and, if wanted, Google's stand-in as processes of this machine, in one folder, without Docker."""
