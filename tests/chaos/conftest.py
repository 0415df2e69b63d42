"""A PostgreSQL, Google's stand-in and worker processes, of their own and once for all tests of this folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from bench.ground import Ground
from bench.ground import ground as start
from chaos.faults import PROPERTY, Fault, NewFault


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with start(tmp_path_factory.mktemp("ground")) as made:
        yield made


@pytest.fixture
def fault(record_property: Callable[[str, object], None]) -> Iterator[NewFault]:
    """Return what begins the account of one kind of fault; it stands in the table whether the test passes or not."""
    begun: list[Fault] = []

    def begin(name: str) -> Fault:
        begun.append(Fault(name))
        return begun[-1]

    yield begin
    for each in begun:
        record_property(PROPERTY, dataclasses.asdict(each))
