"""The time zones of the locked data: the package ``tzdata``, not the files of the machine, which may be older."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

import tzdata

_NO_ZONE = "Factory"
"""A name in the data that stands for no time zone."""

DATA_VERSION: str = tzdata.IANA_VERSION
"""The version of the locked data, such as ``2026a``."""


class _LockedZone(ZoneInfo):
    """A time zone that can be copied and sent to another process, which has the same data."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _load_zone, (self.key,)


@functools.cache
def _load_zone(name: str) -> ZoneInfo:
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return _LockedZone.from_file(file, key=name)


UTC_ZONE = _load_zone("UTC")


def find_zone(name: str) -> ZoneInfo | None:
    """Return a time zone by its name in the locked data, or None if the data does not contain it."""
    return _load_zone(name) if name in list_zones() else None


@functools.cache
def list_zones() -> frozenset[str]:
    """Return the names of all time zones of the locked data."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text("utf-8").split()) - {_NO_ZONE}
