"""The assets that other DAGs can wait for: which mailboxes were flagged, and which recovered."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.airflow import assets
from gmail_warmup.airflow.tasks import execution
from gmail_warmup.audit import decisions
from support.alert_kit import Scene
from support.workers import services
from support.world import FERNET_KEY, World

ADA, BOB, EVE = "ada@one.example", "bob@one.example", "eve@one.example"


class Outlets(dict[Any, Any]):
    """Collects the asset events that a task adds."""

    def __init__(self) -> None:
        super().__init__()
        self.events: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def __getitem__(self, alias: Any) -> Any:
        return SimpleNamespace(add=lambda asset, extra: self.events[asset.uri.rstrip("/")].append(extra))


@pytest.fixture
def scene(world: World, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", FERNET_KEY)
    context = {"params": {}, "dag_run": SimpleNamespace(), "ti": SimpleNamespace()}
    monkeypatch.setattr(execution, "get_current_context", lambda: context)
    monkeypatch.setattr(execution, "build_services", lambda: services(world))
    return Scene(world.store.engine)


def run_task() -> dict[str, list[dict[str, Any]]]:
    outlets = Outlets()
    assets.alerts.function(outlet_events=outlets)
    return dict(outlets.events)


def extra(*addresses: str) -> dict[str, Any]:
    return {"mailboxes": len(addresses), "addresses": list(addresses), "omitted": 0}


def test_both_directions_are_reported_once_with_the_addresses(scene: Scene):
    scene.down(EVE, ADA)
    assert run_task() == {"gmail-warmup://needs-reauth": [extra(ADA, EVE)]}
    assert run_task() == {}
    scene.up(ADA)
    scene.down(BOB)
    assert run_task() == {
        "gmail-warmup://needs-reauth": [extra(BOB)],
        "gmail-warmup://recovered": [extra(ADA)],
    }
    assert run_task() == {}


def test_what_was_undone_before_a_run_is_not_reported(scene: Scene):
    scene.down(ADA)
    scene.up(ADA)
    assert run_task() == {}


def test_thousands_are_counted_and_the_first_ones_are_listed():
    addresses = [f"box{number:04}@one.example" for number in range(2_000)]
    found = assets.build_extra(addresses)
    assert (found["mailboxes"], found["omitted"]) == (2_000, 1_500)
    assert found["addresses"] == addresses[:500]


def test_a_mailbox_that_is_flagged_again_is_reported_again(scene: Scene, database: sa.Engine):
    for _ in range(2):
        scene.down(ADA)
        assert run_task() == {"gmail-warmup://needs-reauth": [extra(ADA)]}
        scene.up(ADA)
        with database.begin() as connection:
            assert decisions.list_unreported(connection).recovered == [ADA]
        assert run_task() == {"gmail-warmup://recovered": [extra(ADA)]}
