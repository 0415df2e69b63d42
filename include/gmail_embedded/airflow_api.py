"""Airflow's public API as far as a demo or a test needs it: runs, task instances, results and logs."""

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
    """A run of a DAG."""

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
        """Say whether it has ended, well or not."""
        return self.state in FINISHED


class TaskInstance(BaseModel):
    """A task of a run; a mapped one per map index."""

    model_config = ConfigDict(frozen=True)

    dag_id: str
    run_id: str = Field(alias="dag_run_id")
    task_id: str
    map_index: int
    label: str | None = Field(alias="rendered_map_index")
    """What `map_index_template` rendered to."""
    state: str | None
    try_number: int
    start_date: datetime | None = None
    end_date: datetime | None = None
    duration: float | None = None
    hostname: str | None = None
    """Where it runs or ran last."""


class ImportFailure(BaseModel):
    """A DAG file that cannot be loaded."""

    filename: str
    stack_trace: str


Progress = Callable[[DagRun, list[TaskInstance]], None]


class AirflowApi:
    """A client that is logged in as a user of the simple auth manager.

    Args:
        base_url: the api-server's address.
        username: the login.
        password: the login's password.
    """

    def __init__(self, base_url: str, *, username: str, password: str, timeout: float = 30) -> None:
        self._login = {"username": username, "password": password}
        # Without the environment's proxy, which could not reach this machine's own address.
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
                raise AirflowApiError(f"Airflow refused the login of {self._login['username']}: {answer.status_code}")
            self._token = str(answer.json()["access_token"])
        return self._token

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Send a request below /api/v2 and return the answer's JSON.

        Raises:
            AirflowApiError: if Airflow refuses it.
        """
        for _ in range(2):
            headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
            answer = self.http.request(method, f"/api/v2{path}", headers=headers, **more)
            if answer.status_code != httpx.codes.UNAUTHORIZED:
                break
            self._token = None  # it lasts a day
        if answer.is_error:
            raise AirflowApiError(f"Airflow answered {answer.status_code} to {method} {path}: {answer.text[:500]}")
        return answer.json() if answer.content else None

    def pages(self, path: str, key: str, **params: Any) -> list[dict[str, Any]]:
        """Return every entry of a collection."""
        found: list[dict[str, Any]] = []
        while True:
            query = params | {"limit": _PAGE, "offset": len(found)}
            page = self.ask("GET", path, params=query)
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
        """Return the DAG files that cannot be loaded."""
        return [ImportFailure.model_validate(entry) for entry in self.pages("/importErrors", "import_errors")]

    def dag_ids(self) -> set[str]:
        """Return the DAGs that were loaded."""
        return {entry["dag_id"] for entry in self.pages("/dags", "dags")}

    def wait_for_dags(self, dag_ids: Iterable[str], timeout: float = 60) -> None:
        """Wait until the DAGs were loaded.

        Raises:
            AirflowApiError: if a file cannot be loaded, or the timeout passes.
        """
        wanted, deadline = set(dag_ids), time.monotonic() + timeout
        while missing := wanted - self.dag_ids():
            if failures := self.import_errors():
                reason = failures[0].stack_trace.strip().splitlines()[-1]
                raise AirflowApiError(f"{failures[0].filename} cannot be loaded: {reason}")
            if time.monotonic() > deadline:
                raise AirflowApiError(f"After {timeout:.0f} seconds Airflow knows no DAG {', '.join(sorted(missing))}.")
            time.sleep(0.3)

    def pause(self, dag_id: str, paused: bool = True) -> None:
        """Pause a DAG, or let it run."""
        self.ask("PATCH", f"/dags/{quote(dag_id)}", json={"is_paused": paused})

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run."""
        self.pause(dag_id, paused=False)

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, run_id: str | None = None) -> DagRun:
        """Start a run; `conf` sets the DAG's params by name. A paused DAG's run waits until it is unpaused."""
        body: dict[str, Any] = {"logical_date": None, "conf": dict(conf or {})}
        if run_id:
            body["dag_run_id"] = run_id
        return DagRun.model_validate(self.ask("POST", f"/dags/{quote(dag_id)}/dagRuns", json=body))

    def dag_run(self, dag_id: str, run_id: str) -> DagRun:
        """Return a run."""
        return DagRun.model_validate(self.ask("GET", self._run_path(dag_id, run_id)))

    def dag_runs(self, dag_id: str) -> list[DagRun]:
        """Return every run of a DAG, the oldest first."""
        entries = self.pages(f"/dags/{quote(dag_id)}/dagRuns", "dag_runs", order_by="id")
        return [DagRun.model_validate(entry) for entry in entries]

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return the task instances of a run, mapped ones each."""
        path = f"{self._run_path(dag_id, run_id)}/taskInstances"
        return [TaskInstance.model_validate(entry) for entry in self.pages(path, "task_instances", order_by="id")]

    def wait(
        self,
        dag_id: str,
        run_id: str,
        *,
        timeout: float,
        progress: Progress | None = None,
        interval: float = 0.5,
    ) -> DagRun:
        """Wait for the end of a run, whichever it is; `progress` hears of its task instances meanwhile.

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
            except httpx.TimeoutException:  # a busy machine answers late; only the deadline ends the wait
                pass
            if time.monotonic() > deadline:
                run, tasks = self.dag_run(dag_id, run_id), self.task_instances(dag_id, run_id)
                left = [f"{t.task_id}[{t.label or t.map_index}] {t.state}" for t in tasks]
                raise AirflowApiError(
                    f"{dag_id} {run_id} is {run.state} after {timeout:.0f} seconds: {', '.join(left) or 'no task yet'}"
                )
            time.sleep(interval)

    def xcom(self, task: TaskInstance, key: str = "return_value") -> Any:
        """Return a value that a task instance handed on."""
        path = f"{self._task_path(task)}/xcomEntries/{quote(key)}"
        return self.ask("GET", path, params={"map_index": task.map_index, "deserialize": False})["value"]

    def log(self, task: TaskInstance, try_number: int | None = None) -> list[str]:
        """Return the lines of a task instance's log, of its last try if none is named."""
        path = f"{self._task_path(task)}/logs/{try_number or task.try_number}"
        params = {"map_index": task.map_index, "full_content": True}
        answer = self.ask("GET", path, params=params, headers={"Accept": "application/json"})
        return [line if isinstance(line, str) else str(line["event"]) for line in answer["content"]]

    @staticmethod
    def _run_path(dag_id: str, run_id: str) -> str:
        return f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id)}"

    def _task_path(self, task: TaskInstance) -> str:
        return f"{self._run_path(task.dag_id, task.run_id)}/taskInstances/{quote(task.task_id)}"
