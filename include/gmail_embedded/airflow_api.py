"""A client of Airflow's public API: DAG runs, task instances, XComs and logs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, Field

from gmail_embedded.errors import AirflowApiError

FINISHED = frozenset({"success", "failed"})
_PAGE = 100  # Airflow's maximum_page_limit


class DagRun(BaseModel):
    """A DAG run."""

    model_config = ConfigDict(frozen=True)

    dag_id: str
    run_id: str = Field(alias="dag_run_id")
    state: str
    run_after: datetime
    start_date: datetime | None = None
    end_date: datetime | None = None
    conf: dict[str, Any] | None = None

    @property
    def finished(self) -> bool:
        """Return whether it has ended."""
        return self.state in FINISHED


class TaskInstance(BaseModel):
    """A task instance; one per map index for a mapped task."""

    model_config = ConfigDict(frozen=True)

    dag_id: str
    run_id: str = Field(alias="dag_run_id")
    task_id: str
    map_index: int
    label: str | None = Field(alias="rendered_map_index")
    """The rendered `map_index_template`."""
    state: str | None
    try_number: int
    start_date: datetime | None = None
    end_date: datetime | None = None
    duration: float | None = None
    hostname: str | None = None
    """The host of the latest try."""


class ImportFailure(BaseModel):
    """A DAG file with an import error."""

    filename: str
    stack_trace: str


ProgressCallback = Callable[[DagRun, list[TaskInstance]], None]


class AirflowApi:
    """A client that logs in as a user of the simple auth manager.

    Args:
        base_url: the api-server's address.
        username: the login.
        password: the login's password.
    """

    def __init__(self, base_url: str, *, username: str, password: str, timeout: float = 30) -> None:
        self._login = {"username": username, "password": password}
        # trust_env=False: a proxy could not reach an address of this machine.
        self.http = httpx.Client(base_url=base_url, timeout=timeout, trust_env=False)
        self._token: str | None = None

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    @property
    def token(self) -> str:
        """Return the access token; the browser's cookie `_token` has the same value."""
        if self._token is None:
            answer = self.http.post("/auth/token", json=self._login)
            if answer.status_code != httpx.codes.CREATED:
                raise AirflowApiError(f"Airflow rejected the login of {self._login['username']}: {answer.status_code}")
            self._token = str(answer.json()["access_token"])
        return self._token

    def request(self, method: str, path: str, **more: Any) -> Any:
        """Send a request below /api/v2 and return the JSON of the response.

        Raises:
            AirflowApiError: if Airflow rejects it.
        """
        for _ in range(2):
            headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
            answer = self.http.request(method, f"/api/v2{path}", headers=headers, **more)
            if answer.status_code != httpx.codes.UNAUTHORIZED:
                break
            self._token = None  # expired: it is valid for a day
        if answer.is_error:
            raise AirflowApiError(f"Airflow answered {answer.status_code} to {method} {path}: {answer.text[:500]}")
        return answer.json() if answer.content else None

    def list_all(self, path: str, key: str, **params: Any) -> list[dict[str, Any]]:
        """Return every entry of a collection, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            query = params | {"limit": _PAGE, "offset": len(found)}
            page = self.request("GET", path, params=query)
            found += page[key]
            if not page[key] or len(found) >= page["total_entries"]:
                return found

    def health(self) -> dict[str, dict[str, str | None]]:
        """Return the state of the database, the scheduler, the dag-processor and the triggerer; needs no login."""
        answer = self.http.get("/api/v2/monitor/health", timeout=10)
        answer.raise_for_status()
        found: dict[str, dict[str, str | None]] = answer.json()
        return found

    def import_errors(self) -> list[ImportFailure]:
        """Return the DAG files with import errors."""
        return [ImportFailure.model_validate(entry) for entry in self.list_all("/importErrors", "import_errors")]

    def dag_ids(self) -> set[str]:
        """Return the ids of the loaded DAGs."""
        return {entry["dag_id"] for entry in self.list_all("/dags", "dags")}

    def wait_for_dags(self, dag_ids: Iterable[str], timeout: float = 60) -> None:
        """Wait until the DAGs are loaded.

        Raises:
            AirflowApiError: if a DAG file has an import error, or the timeout passes.
        """
        wanted, deadline = set(dag_ids), time.monotonic() + timeout
        while missing := wanted - self.dag_ids():
            if failures := self.import_errors():
                reason = failures[0].stack_trace.strip().splitlines()[-1]
                raise AirflowApiError(f"{failures[0].filename} cannot be loaded: {reason}")
            if time.monotonic() > deadline:
                raise AirflowApiError(
                    f"After {timeout:.0f} seconds Airflow has not loaded: {', '.join(sorted(missing))}."
                )
            time.sleep(0.3)

    def pause(self, dag_id: str, paused: bool = True) -> None:
        """Pause or unpause a DAG."""
        self.request("PATCH", f"/dags/{quote(dag_id)}", json={"is_paused": paused})

    def unpause(self, dag_id: str) -> None:
        """Unpause a DAG."""
        self.pause(dag_id, paused=False)

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, run_id: str | None = None) -> DagRun:
        """Trigger a DAG run; `conf` sets params by name. The run of a paused DAG waits until it is unpaused."""
        body: dict[str, Any] = {"logical_date": None, "conf": dict(conf or {})}
        if run_id:
            body["dag_run_id"] = run_id
        return DagRun.model_validate(self.request("POST", f"/dags/{quote(dag_id)}/dagRuns", json=body))

    def dag_run(self, dag_id: str, run_id: str) -> DagRun:
        """Return a DAG run."""
        return DagRun.model_validate(self.request("GET", self._run_path(dag_id, run_id)))

    def dag_runs(self, dag_id: str) -> list[DagRun]:
        """Return every run of a DAG, oldest first."""
        entries = self.list_all(f"/dags/{quote(dag_id)}/dagRuns", "dag_runs", order_by="id")
        return [DagRun.model_validate(entry) for entry in entries]

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return every task instance of a run."""
        path = f"{self._run_path(dag_id, run_id)}/taskInstances"
        return [TaskInstance.model_validate(entry) for entry in self.list_all(path, "task_instances", order_by="id")]

    def wait(
        self,
        dag_id: str,
        run_id: str,
        *,
        timeout: float,
        progress: ProgressCallback | None = None,
        interval: float = 0.5,
    ) -> DagRun:
        """Wait until a run has succeeded or failed; `progress` is called with its task instances meanwhile.

        Raises:
            AirflowApiError: if the timeout passes; it names the tasks that have not ended.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                run = self.dag_run(dag_id, run_id)
                if progress:
                    progress(run, self.task_instances(dag_id, run_id))
                if run.finished:
                    return run
            except httpx.TimeoutException:  # a busy machine responds late; only the deadline ends the wait
                pass
            if time.monotonic() > deadline:
                run, tasks = self.dag_run(dag_id, run_id), self.task_instances(dag_id, run_id)
                left = [f"{t.task_id}[{t.label or t.map_index}] {t.state}" for t in tasks]
                raise AirflowApiError(
                    f"{dag_id} {run_id} is {run.state} after {timeout:.0f} seconds: {', '.join(left) or 'no task yet'}"
                )
            time.sleep(interval)

    def xcom(self, task: TaskInstance, key: str = "return_value") -> Any:
        """Return an XCom of a task instance."""
        path = f"{self._task_path(task)}/xcomEntries/{quote(key)}"
        return self.request("GET", path, params={"map_index": task.map_index, "deserialize": False})["value"]

    def log(self, task: TaskInstance, try_number: int | None = None) -> list[str]:
        """Return the lines of a task instance's log, by default of the latest try."""
        path = f"{self._task_path(task)}/logs/{try_number or task.try_number}"
        params = {"map_index": task.map_index, "full_content": True}
        answer = self.request("GET", path, params=params, headers={"Accept": "application/json"})
        return [line if isinstance(line, str) else str(line["event"]) for line in answer["content"]]

    @staticmethod
    def _run_path(dag_id: str, run_id: str) -> str:
        return f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id)}"

    def _task_path(self, task: TaskInstance) -> str:
        return f"{self._run_path(task.dag_id, task.run_id)}/taskInstances/{quote(task.task_id)}"
