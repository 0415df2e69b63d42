"""``make image``: build the image, run the services of docker-compose.yaml from it, and check what only an image shows.

Print one JSON object: the size of the image and the checks. PostgreSQL, Redis and the stand-in for Google are processes
of this machine, so that only the base image is downloaded.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import httpx

from gmail_embedded.cluster import ClusterOptions
from gmail_embedded.console import run_command
from gmail_embedded.errors import EmbeddedError
from gmail_embedded.installation import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
from gmail_sandbox.client import SandboxClient
from image.containers import ContainerCluster, build_image, find_engine
from image.tls_proxy import tls_proxy

DAG_IDS = ("gmail_warmup", "gmail_token_health", "gmail_monitor")
PATIENCE = 600


def main() -> int:
    """Build, run and check; return 1 if a check fails."""
    engine = find_engine()
    if engine is None:
        raise EmbeddedError("Neither podman nor a running docker was found. Install one: apt-get install podman runc")
    size = build_image(engine, os.environ.get("LOCK", "requirements.lock"))
    with tempfile.TemporaryDirectory(prefix="image-") as name:
        folder = Path(name)
        with ContainerCluster(engine, folder, ClusterOptions(sandbox=True, workers=2)) as cluster:
            cluster.start()  # waits for init and for every health check
            with SandboxClient(cluster.sandbox_url) as google:
                google.put_client(SANDBOX_CLIENT_ID, client_secrets=[SANDBOX_CLIENT_SECRET], redirect_uris=[])
            checks = check_cluster(cluster, folder)
    print(json.dumps({"engine": Path(engine).name, "megabytes": round(size / 1e6), "checks": checks}), flush=True)
    return 0 if all(checks.values()) else 1


def check_cluster(cluster: ContainerCluster, folder: Path) -> dict[str, bool]:
    """Return the name of each check and whether it passed."""
    instances = ["api-server", "scheduler", "dag-processor", "triggerer", *cluster.workers]
    checks = {"init and health checks": True, "two workers": len(cluster.workers) == 2}
    checks["read-only file system"] = all(
        cluster.execute(each, "touch", "/opt/airflow/dags/x").returncode != 0
        and cluster.execute(each, "touch", "/tmp/x", "/opt/airflow/logs/x").returncode == 0
        for each in instances
    )
    checks["not root"] = all(cluster.execute(each, "id", "-u").stdout.strip() == "50000" for each in instances)
    with tls_proxy(cluster.address, folder) as address:
        # Airflow accepts an address of its own as the next one, if it knows that it was asked by https.
        answer = httpx.get(
            f"{address}/api/v2/auth/login", params={"next": f"{address}/"}, verify=False, trust_env=False, timeout=60
        )
        checks["https behind a TLS proxy"] = answer.status_code == httpx.codes.TEMPORARY_REDIRECT
    cluster.api.wait_for_dags(DAG_IDS, timeout=PATIENCE)
    for dag_id in DAG_IDS:
        run = cluster.api.trigger(dag_id)
        checks[f"a run of {dag_id}"] = cluster.api.wait(dag_id, run.run_id, timeout=PATIENCE).state == "success"
    checks["doctor"] = _find_no_problem(cluster)
    return checks


def _find_no_problem(cluster: ContainerCluster) -> bool:
    """Return whether doctor finds no problem; print those that it finds."""
    answer = cluster.execute("api-server", "gmail-warmup", "doctor", "--json")
    found = json.loads(answer.stdout or "{}").get("checks")
    problems = [each for each in found or () if each["status"] == "problem"]
    for each in problems:
        print(each, file=sys.stderr)
    if not found:
        print(answer.stdout, answer.stderr, file=sys.stderr)
    return bool(found) and not problems


if __name__ == "__main__":
    run_command(main)
