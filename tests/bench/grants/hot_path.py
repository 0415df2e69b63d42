"""What a task pays for credentials while the stored access token is valid.

Counted on the wire between this process and PostgreSQL, and timed beside a bare ``SELECT 1`` on the same connection.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from bench.wire import SOCKET_NAME, counting_proxy
from gmail_warmup.db.engine import make_engine
from gmail_warmup.oauth.grant_store import GrantStore
from support.world import World

if TYPE_CHECKING:
    from gmail_warmup.airflow.services import Services

WARM_UP = 200


@dataclass(frozen=True, kw_only=True)
class HotPath:
    """What credentials cost; times in microseconds."""

    round_trips: int
    """To the database, once connected."""
    round_trips_of_connecting: int
    """What SQLAlchemy asks on a new connection, and in a new process, before anything else."""
    credentials: float
    select_1: float

    @property
    def ratio(self) -> float:
        """Return how much more credentials cost than the shortest possible query."""
        return self.credentials / self.select_1


def measure(world: World, *, address: str, iterations: int) -> HotPath:
    """Measure in this process, for a mailbox whose access token is valid."""
    credentials, select_1 = _medians(world, address, iterations)
    there = Path(str(world.store.engine.url.query["host"])) / SOCKET_NAME
    with tempfile.TemporaryDirectory() as folder, counting_proxy(Path(folder), there) as count:
        engine = make_engine(world.store.engine.url.set(query={"host": folder}))
        services = _services(world, engine)
        of_process = _trips(count, lambda: engine.connect().close())
        of_connection = _trips(count, lambda: engine.connect().close())
        of_credentials = _trips(count, lambda: _credentials(services, address))
    return HotPath(
        round_trips=of_credentials - of_connection,
        round_trips_of_connecting=of_process,
        credentials=credentials,
        select_1=select_1,
    )


def credentials_valid(world: World, *, address: str) -> bool:
    """Tell whether google-auth takes a mailbox's credentials for valid, by the clock of this process."""
    return bool(_credentials(_services(world, world.store.engine), address).valid)


def _trips(count: Callable[[], int], do: Callable[[], object]) -> int:
    before = count()
    do()
    return count() - before


def _medians(world: World, address: str, iterations: int) -> tuple[float, float]:
    """Return the medians of both, taken in turn so that whatever disturbs the machine disturbs both."""
    engine = _one_connection(world.store.engine.url)
    services = _services(world, engine)
    credentials, select_1 = [], []
    for number in range(WARM_UP + iterations):
        started = time.perf_counter_ns()
        _select_1(engine)
        between = time.perf_counter_ns()
        _credentials(services, address)
        ended = time.perf_counter_ns()
        if number >= WARM_UP:
            select_1.append(between - started)
            credentials.append(ended - between)
    engine.dispose()
    return statistics.median(credentials) / 1000, statistics.median(select_1) / 1000


def _credentials(services: Services, address: str) -> Any:
    from gmail_warmup.airflow.gmail_hook import GmailHook  # with it comes Airflow, which only this process needs

    return GmailHook(address, services=services)._load_credentials()


def _select_1(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1").scalar_one()


def _one_connection(url: sa.URL) -> sa.Engine:
    """Return an engine on which both take one round trip: nothing begins, and nothing is reset afterwards."""
    return sa.create_engine(url, pool_size=1, max_overflow=0, isolation_level="AUTOCOMMIT", hide_parameters=True)


def _services(world: World, engine: sa.Engine) -> Services:
    from support import workers

    store = GrantStore(engine, world.store.cipher)
    there = World(store=store, sandbox=world.sandbox, client=world.client, actor=world.actor, settings=world.settings)
    return workers.services(there)
