"""A PostgreSQL, Google's stand-in and worker processes, of their own and once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.ground import Ground
from bench.ground import ground as start


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with start(tmp_path_factory.mktemp("ground")) as made:
        yield made
