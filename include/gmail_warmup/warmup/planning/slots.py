"""The slots of one mailbox on one local day, as a pure function.

Instants are whole microseconds since 1970 in UTC inside this module, so that every sum and comparison is exact.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import accumulate
from zoneinfo import ZoneInfo

from gmail_warmup.core.errors import InvalidInputError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MINUTE = 60_000_000

# The local day by minutes. Hours outside of 09-18 are normal ones.
_DAY_HOURS = (
    (0, 540, "normal"),
    (540, 660, "peak"),
    (660, 720, "normal"),
    (720, 840, "lunch"),
    (840, 960, "peak"),
    (960, 1440, "normal"),
)
# Per cent of a day's mails, and the minutes between 09 and 18 over which they spread.
_KIND_SHARES = {"peak": (60, 240), "normal": (30, 180), "lunch": (10, 120)}


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One planned mail: its number on the day, from 0 in order of time, and when it is due (aware, UTC)."""

    number: int
    due_at: datetime


@dataclass(frozen=True)
class _HourBand:
    """A stretch of one kind of hours that allows sending, from `start` until before `end`."""

    start: int
    end: int
    kind: str

    @property
    def length(self) -> int:
        return self.end - self.start


def plan_slots(
    *,
    seed: str,
    local_date: date,
    zone: ZoneInfo,
    volume: int,
    window: tuple[int, int],
    weekdays: frozenset[int],
    min_gap: timedelta,
    open_from: datetime,
    scale: float = 1.0,
) -> tuple[Slot, ...]:
    """Return the slots of a mailbox on a local date, in order of time.

    60 % lie in peak, 30 % in normal and 10 % at lunch hours; each kind gets its exact share rounded up or down by the
    seed, so that the shares hold over the days. Of a window that covers a kind in part, or a day that is partly over
    at `open_from`, a kind keeps its density, and all shares grow until they hold the volume. Neighbours are at least
    `min_gap` apart; where a kind of hours is full, its mails move on to the next hours; where the whole rest of the
    day is full, there are fewer slots.

    Args:
        seed: names the mailbox; the same seed and date give the same jitter on every machine.
        local_date: the day in `zone`.
        zone: the mailbox's zone; days of 23, 25 or no hours are right.
        volume: mails of the day.
        window: minutes of the local day, start and end, within 0 and 1440.
        weekdays: sending days, Monday is 0.
        min_gap: least distance of two slots.
        open_from: aware instant before which nothing may be planned: the mailbox was added, resumed or repaired then.
        scale: below 1, what is left of the window shrinks towards its start, the gap with it; for demonstrations.

    Raises:
        InvalidInputError: if `open_from` is naive, or `window` or `scale` out of range.
    """
    _check_arguments(window, open_from, scale)
    if local_date.weekday() not in weekdays:
        return ()
    whole = _split_into_bands(local_date, zone, window)
    opened = (open_from - _EPOCH) // _MICROSECOND
    left = [replace(band, start=max(band.start, opened)) for band in whole if band.end > opened]
    gap = max(1, min_gap // _MICROSECOND)
    count = min(volume, _count_capacity(left, gap))
    if count < 1:
        return ()
    # Random(str) hashes with SHA-512 and random() is documented to stay the same, so this holds across versions.
    rng = random.Random(f"{seed}:{local_date.isoformat()}")  # noqa: S311  # jitter, not a secret
    counts = _distribute_counts(count, whole, left, rng)
    if not _find_latest_instants(left, counts, gap):
        counts = _fit_counts_to_gap(left, counts, gap)
    return tuple(
        Slot(number=number, due_at=_to_datetime(left[0].start) + (at - left[0].start) * _MICROSECOND * scale)
        for number, at in enumerate(_draw_instants(left, counts, gap, rng))
    )


def select_due_slots(slots: Sequence[Slot], *, now: datetime, taken: Collection[int]) -> tuple[Slot, ...]:
    """Return the slots that are due and not taken, in order; after an outage many at once, which the caller paces."""
    return tuple(slot for slot in slots if slot.due_at <= now and slot.number not in taken)


def _check_arguments(window: tuple[int, int], open_from: datetime, scale: float) -> None:
    if open_from.tzinfo is None:
        raise InvalidInputError("open_from has no time zone; give an aware time.")
    if not 0 <= window[0] <= window[1] <= 1440:
        raise InvalidInputError(f"window is {window}; give minutes of the day, start before end, within 0 and 1440.")
    if not 0 < scale <= 1:
        raise InvalidInputError(f"scale is {scale}; it must be above 0 and at most 1.")


def _to_datetime(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


@lru_cache(maxsize=4096)
def _split_into_bands(local_date: date, zone: ZoneInfo, window: tuple[int, int]) -> tuple[_HourBand, ...]:
    """Cut the window of a local date into bands, in order of time.

    It asks what the wall clock shows, offset by offset: an hour that the clocks skip is in no band, an hour that they
    repeat is in two, and a window edge inside either is right as well.
    """
    midnight = (datetime.combine(local_date, time(), UTC) - _EPOCH) // _MICROSECOND
    bands = []
    for begin, finish, offset in _list_utc_offsets(local_date, zone):
        for first, last, kind in _DAY_HOURS:
            start = max(midnight + max(first, window[0]) * _MINUTE - offset, begin)
            end = min(midnight + min(last, window[1]) * _MINUTE - offset, finish)
            if start < end:
                bands.append(_HourBand(start, end, kind))
    return tuple(bands)


def _list_utc_offsets(local_date: date, zone: ZoneInfo) -> Iterator[tuple[int, int, int]]:
    """Yield (begin, end, offset from UTC) of each stretch around a local date in which the zone's offset stays."""
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
    return offset // _MICROSECOND


def _count_capacity(bands: Sequence[_HourBand], gap: int) -> int:
    """Return how many mails fit at most: each as early as it can be."""
    total = 0
    free = bands[0].start if bands else 0
    for band in bands:
        free = max(free, band.start)
        fit = max(0, (band.end - 1 - free) // gap + 1)
        total += fit
        free += fit * gap
    return total


def _distribute_counts(
    count: int, whole: Sequence[_HourBand], left: Sequence[_HourBand], rng: random.Random
) -> list[int]:
    """Give each band its number of mails, by one cut through the bands' summed weights at a random phase.

    Every kind, and every band in it, gets its exact share rounded up or down, and on average exactly its share.
    """
    spread = {
        kind: max(usual * _MINUTE, sum(band.length for band in whole if band.kind == kind))
        for kind, (_, usual) in _KIND_SHARES.items()
    }
    # A common denominator keeps the weights whole numbers.
    common = spread["peak"] * spread["normal"] * spread["lunch"]
    # Bands of a kind stand side by side, so that a kind as a whole is one stretch of the sum.
    order = sorted(range(len(left)), key=lambda index: (left[index].kind, index))
    weights = [_KIND_SHARES[left[i].kind][0] * left[i].length * (common // spread[left[i].kind]) for i in order]
    sums = list(accumulate(weights, initial=0))
    phase = int(rng.random() * sums[-1])
    cuts = [(count * reached + phase) // sums[-1] for reached in sums]
    counts = [0] * len(left)
    for place, index in enumerate(order):
        counts[index] = cuts[place + 1] - cuts[place]
    return counts


def _find_latest_instants(bands: Sequence[_HourBand], counts: Sequence[int], gap: int) -> list[int]:
    """Return the latest instant for the last mail of each band, or nothing if the counts do not fit the gap."""
    latest = []
    limit = bands[-1].end - 1 + gap
    for band, count in zip(reversed(bands), reversed(counts), strict=True):
        last = min(band.end - 1, limit - gap)
        latest.append(last)
        if count:
            limit = last - (count - 1) * gap
            if limit < band.start:
                return []
    return latest[::-1]


def _fit_counts_to_gap(bands: Sequence[_HourBand], counts: Sequence[int], gap: int) -> list[int]:
    """Return counts that fit the gap: what is too close moves on, and back only from the end of the day."""
    wishes = [
        band.start + (2 * index + 1) * band.length // (2 * count)
        for band, count in zip(bands, counts, strict=True)
        for index in range(count)
    ]
    limits = [bands[-1].end - 1]
    while len(limits) < len(wishes):
        limits.append(_clamp_to_band_before(bands, limits[-1] - gap))
    settled = [0] * len(bands)
    free = bands[0].start
    for wish, limit in zip(wishes, reversed(limits), strict=True):
        at = min(limit, _clamp_to_band_after(bands, max(wish, free)))
        settled[next(index for index, band in enumerate(bands) if at < band.end)] += 1
        free = at + gap
    return settled


def _clamp_to_band_before(bands: Sequence[_HourBand], at: int) -> int:
    return max(min(at, band.end - 1) for band in bands if band.start <= at)


def _clamp_to_band_after(bands: Sequence[_HourBand], at: int) -> int:
    return min((max(at, band.start) for band in bands if at < band.end), default=at)


def _draw_instants(bands: Sequence[_HourBand], counts: Sequence[int], gap: int, rng: random.Random) -> list[int]:
    """Draw the instants: in each band evenly from all arrangements that keep the gap and leave room for the rest."""
    times: list[int] = []
    free = bands[0].start
    for band, count, last in zip(bands, counts, _find_latest_instants(bands, counts, gap), strict=True):
        first = max(band.start, free)
        slack = last - (count - 1) * gap - first
        jitter = sorted(int(rng.random() * (slack + 1)) for _ in range(count))
        times += [first + extra + index * gap for index, extra in enumerate(jitter)]
        free = times[-1] + gap if times else free
    return times
