"""The page that is fed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fuzz.web import Page, page
from support.world import World


@pytest.fixture
def site(world: World) -> Iterator[Page]:
    with page(world) as made:
        yield made
