"""Divide a local date into bands: ranges of local hours, such as peak, normal and lunch hours, as instants.

Instants are whole microseconds since 1970 in UTC, so that every sum and comparison is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MINUTE = 60_000_000
"""A minute in microseconds."""

_BANDS_OF_DAY = (
    (0, 540, "normal"),
    (540, 660, "peak"),
    (660, 720, "normal"),
    (720, 840, "lunch"),
    (840, 960, "peak"),
    (960, 1440, "normal"),
)
"""The local day in minutes: start, end and kind of each band."""


@dataclass(frozen=True, kw_only=True)
class HourBand:
    """A period of one kind of hours, from ``start`` until before ``end``."""

    start: int
    end: int
    kind: str

    @property
    def length(self) -> int:
        """Return the length in microseconds."""
        return self.end - self.start


@lru_cache(maxsize=4096)
def split_into_bands(local_date: date, zone: ZoneInfo, window: tuple[int, int]) -> tuple[HourBand, ...]:
    """Return the bands of a sending window on a local date, in order of time.

    The bands are computed per UTC offset: an hour that a clock change skips is in no band, an hour that it repeats is
    in two, and a window edge inside such an hour is correct as well.
    """
    clipped = [(max(first, window[0]), min(last, window[1]), kind) for first, last, kind in _BANDS_OF_DAY]
    return locate_bands(local_date, zone, clipped)


def locate_bands(local_date: date, zone: ZoneInfo, ranges: Iterable[tuple[int, int, str]]) -> tuple[HourBand, ...]:
    """Return ranges of a local date, given as start and end in minutes and kind, as bands in order of time."""
    midnight, ranges = (datetime.combine(local_date, time(), UTC) - EPOCH) // MICROSECOND, tuple(ranges)
    bands = []
    for begin, finish, offset in _list_utc_offsets(local_date, zone):
        for first, last, kind in ranges:
            start = max(midnight + first * MINUTE - offset, begin)
            end = min(midnight + last * MINUTE - offset, finish)
            if start < end:
                bands.append(HourBand(start=start, end=end, kind=kind))
    return tuple(bands)


def _list_utc_offsets(local_date: date, zone: ZoneInfo) -> Iterator[tuple[int, int, int]]:
    """Yield begin, end and UTC offset of each period around a local date in which the zone keeps one offset."""
    # No zone is further than 16 hours from UTC.
    first = int(datetime.combine(local_date, time(), UTC).timestamp()) - 16 * 3600
    begin = first
    for hour in range(first, first + 56 * 3600, 3600):
        low, high = hour, hour + 3600
        offset = _get_utc_offset(low, zone)
        if offset == _get_utc_offset(high, zone):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _get_utc_offset(middle, zone) == offset else (low, middle)
        yield begin * 1_000_000, high * 1_000_000, offset
        begin = high
    yield begin * 1_000_000, (first + 56 * 3600) * 1_000_000, _get_utc_offset(first + 56 * 3600, zone)


def _get_utc_offset(second: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    assert offset is not None
    return offset // MICROSECOND
