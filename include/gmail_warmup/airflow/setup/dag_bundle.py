"""The DAG bundle of the package: Airflow's components read the DAG files from the installed package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.local import LocalDagBundle


class GmailWarmupDagBundle(LocalDagBundle):
    """Serve the DAG files of this package; an entry of ``[dag_processor] dag_bundle_config_list``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(path=str(Path(__file__).parents[1] / "dags"), **kwargs)
