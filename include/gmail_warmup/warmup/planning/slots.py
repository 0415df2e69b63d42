"""Compute the slots of one mailbox on one local day, as a pure function.

Inside this module instants are whole microseconds since 1970 in UTC, so that every sum and comparison is exact.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.warmup.planning.hour_bands import EPOCH, MICROSECOND, MINUTE, HourBand, split_into_bands

_KIND_SHARES = {"peak": (60, 240), "normal": (30, 180), "lunch": (10, 120)}
"""Per kind of hours: per cent of a day's mails, and its minutes between 09:00 and 18:00."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One planned mail: its number on the day, from 0 in order of time, and when it is due (aware, UTC)."""

    number: int
    due_at: datetime


def plan_slots(
    *,
    seed: str,
    local_date: date,
    zone: ZoneInfo,
    volume: int,
    window: tuple[int, int],
    min_gap: timedelta,
    open_from: datetime,
    scale: float = 1.0,
) -> tuple[Slot, ...]:
    """Return the slots of a mailbox on a local date, in order of time.

    60 % of the slots are in peak, 30 % in normal and 10 % in lunch hours. The seed rounds each share up or down, so
    that the shares hold over many days. If the window covers a kind of hours in part, or the day has partly passed at
    `open_from`, each kind keeps its density and all shares grow in proportion until they sum up to the volume.
    Neighbours are at least `min_gap` apart: slots that do not fit into a kind of hours move to the next hours, and if
    the rest of the day is full, fewer slots are returned.

    Args:
        seed: identifies the mailbox; the same seed and date give the same jitter on every machine.
        local_date: the day in `zone`.
        zone: the time zone of the mailbox; days of 23, 25 or no hours are handled.
        volume: the number of mails of the day.
        window: start and end of the sending window in minutes of the local day, from 0 to 1440.
        min_gap: the minimum time between two slots.
        open_from: the instant (aware) before which nothing is planned: when the mailbox was added, resumed or repaired.
        scale: if below 1, the remaining window and the gap shrink by this factor; for demonstrations.

    Raises:
        InvalidInputError: if `open_from` is naive, or `window` or `scale` out of range.
    """
    _check_arguments(window, open_from, scale)
    bands = split_into_bands(local_date, zone, window)
    opened = (open_from - EPOCH) // MICROSECOND
    remaining = [replace(band, start=max(band.start, opened)) for band in bands if band.end > opened]
    gap = max(1, min_gap // MICROSECOND)
    count = min(volume, _count_capacity(remaining, gap))
    if count < 1:
        return ()
    # Random(str) hashes with SHA-512 and random() is documented to stay the same in later versions of Python.
    rng = random.Random(f"{seed}:{local_date.isoformat()}")  # noqa: S311  # jitter, not a secret
    counts = _distribute_counts(count, bands, remaining, rng)
    if not _find_latest_instants(remaining, counts, gap):
        counts = _fit_counts_to_gap(remaining, counts, gap)
    start = remaining[0].start
    return tuple(
        Slot(number=number, due_at=_to_datetime(start) + (instant - start) * MICROSECOND * scale)
        for number, instant in enumerate(_draw_instants(remaining, counts, gap, rng))
    )


def select_due_slots(slots: Sequence[Slot], *, now: datetime, claimed: Collection[int]) -> tuple[Slot, ...]:
    """Return the due slots that are not claimed, in order. After an outage there are many; the caller spaces them."""
    return tuple(slot for slot in slots if slot.due_at <= now and slot.number not in claimed)


def _check_arguments(window: tuple[int, int], open_from: datetime, scale: float) -> None:
    if open_from.tzinfo is None:
        raise InvalidInputError("open_from has no time zone; give an aware time.")
    if not 0 <= window[0] <= window[1] <= 1440:
        raise InvalidInputError(f"window is {window}; give minutes of the day, start before end, within 0 and 1440.")
    if not 0 < scale <= 1:
        raise InvalidInputError(f"scale is {scale}; it must be above 0 and at most 1.")


def _to_datetime(instant: int) -> datetime:
    return EPOCH + instant * MICROSECOND


def _count_capacity(bands: Sequence[HourBand], gap: int) -> int:
    """Return the maximum number of mails, each as early as possible."""
    total = 0
    free = bands[0].start if bands else 0
    for band in bands:
        free = max(free, band.start)
        fit = max(0, (band.end - 1 - free) // gap + 1)
        total += fit
        free += fit * gap
    return total


def _distribute_counts(
    count: int, bands: Sequence[HourBand], remaining: Sequence[HourBand], rng: random.Random
) -> list[int]:
    """Return the number of mails of each remaining band: systematic sampling of their weights with a random phase.

    Every kind, and every band of it, gets its exact share rounded up or down, and on average exactly its share.
    """
    spread = {
        kind: max(usual * MINUTE, sum(band.length for band in bands if band.kind == kind))
        for kind, (_, usual) in _KIND_SHARES.items()
    }
    # A common denominator keeps the weights whole numbers.
    common = spread["peak"] * spread["normal"] * spread["lunch"]
    # Bands of a kind are adjacent in this order, so that a kind as a whole is rounded once.
    order = sorted(range(len(remaining)), key=lambda index: (remaining[index].kind, index))
    weights = [_weigh_band(remaining[index], common // spread[remaining[index].kind]) for index in order]
    sums = list(accumulate(weights, initial=0))
    phase = int(rng.random() * sums[-1])
    cuts = [(count * partial_sum + phase) // sums[-1] for partial_sum in sums]
    counts = [0] * len(remaining)
    for index, (before, after) in zip(order, pairwise(cuts), strict=True):
        counts[index] = after - before
    return counts


def _weigh_band(band: HourBand, factor: int) -> int:
    percent, _ = _KIND_SHARES[band.kind]
    return percent * band.length * factor


def _find_latest_instants(bands: Sequence[HourBand], counts: Sequence[int], gap: int) -> list[int]:
    """Return the latest instant for the last mail of each band; empty if the counts do not fit the gap."""
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


def _fit_counts_to_gap(bands: Sequence[HourBand], counts: Sequence[int], gap: int) -> list[int]:
    """Return counts that fit the gap: mails that are too close move later, and earlier only at the end of the day."""
    preferred = [
        band.start + (2 * index + 1) * band.length // (2 * count)
        for band, count in zip(bands, counts, strict=True)
        for index in range(count)
    ]
    limits = [bands[-1].end - 1]
    while len(limits) < len(preferred):
        limits.append(_clamp_to_band_before(bands, limits[-1] - gap))
    fitted = [0] * len(bands)
    free = bands[0].start
    for instant, limit in zip(preferred, reversed(limits), strict=True):
        at = min(limit, _clamp_to_band_after(bands, max(instant, free)))
        fitted[next(index for index, band in enumerate(bands) if at < band.end)] += 1
        free = at + gap
    return fitted


def _clamp_to_band_before(bands: Sequence[HourBand], at: int) -> int:
    return max(min(at, band.end - 1) for band in bands if band.start <= at)


def _clamp_to_band_after(bands: Sequence[HourBand], at: int) -> int:
    return min((max(at, band.start) for band in bands if at < band.end), default=at)


def _draw_instants(bands: Sequence[HourBand], counts: Sequence[int], gap: int, rng: random.Random) -> list[int]:
    """Draw the instants of each band, uniformly from all arrangements that keep the gap and leave room for the rest."""
    times: list[int] = []
    free = bands[0].start
    for band, count, last in zip(bands, counts, _find_latest_instants(bands, counts, gap), strict=True):
        first = max(band.start, free)
        slack = last - (count - 1) * gap - first
        jitter = sorted(int(rng.random() * (slack + 1)) for _ in range(count))
        times += [first + extra + index * gap for index, extra in enumerate(jitter)]
        free = times[-1] + gap if times else free
    return times
