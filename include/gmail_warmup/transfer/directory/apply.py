"""Apply the plan of a synchronisation in batches; one entry that cannot be applied stops no other."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import sqlalchemy as sa

from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.db.engine import retry_conflict, write_transaction
from gmail_warmup.db.rows import WRITE_ERRORS, describe_error
from gmail_warmup.mailboxes import bulk, removals
from gmail_warmup.mailboxes.bulk import MailboxInput
from gmail_warmup.mailboxes.bulk_edit import MailboxChanges, change_settings
from gmail_warmup.mailboxes.pause_end import Pause
from gmail_warmup.transfer.directory.plan import CHANGING, PAUSE_REASON, SyncEffect, SyncEntry

FAILED = "failed"
"""In place of the effect of an entry that could not be applied."""
BATCH_SIZE = 200
"""Number of entries that are applied in one transaction."""
_MEANWHILE = "it was added, changed or removed meanwhile"


def apply_sync(engine: sa.Engine, entries: Sequence[SyncEntry], *, actor: str, tag: str = "") -> Iterator[SyncEntry]:
    """Apply the entries; yield each as it was done, or with the error that prevented it."""
    for start in range(0, len(entries), BATCH_SIZE):
        yield from _apply_batch(engine, entries[start : start + BATCH_SIZE], actor=actor, tag=tag)


def apply_all(
    engine: sa.Engine, entries: Sequence[SyncEntry], *, actor: str, tag: str, on_stop: Callable[[str], object]
) -> list[SyncEntry]:
    """Apply the entries and return them like ``apply_sync``.

    Args:
        on_stop: gets how far it came, if it ends early for whatever cause; the error is raised after that.
    """
    done: list[SyncEntry] = []
    try:
        for entry in apply_sync(engine, entries, actor=actor, tag=tag):
            done.append(entry)
    except BaseException:
        on_stop(describe_stop(done, len(entries)))
        raise
    return done


def _apply_batch(engine: sa.Engine, batch: Sequence[SyncEntry], *, actor: str, tag: str) -> Iterator[SyncEntry]:
    """Apply a batch in one transaction; one by one, if the database does not accept a value of it."""
    try:
        done = _write_batch(engine, batch, actor=actor, tag=tag)
    except (GmailWarmupError, *WRITE_ERRORS) as error:
        if len(batch) > 1:
            for entry in batch:
                yield from _apply_batch(engine, [entry], actor=actor, tag=tag)
        else:
            yield dataclasses.replace(batch[0], error=_describe_refusal(error))
        return
    for entry in batch:
        is_open = entry.effect in CHANGING and entry.address not in done
        yield dataclasses.replace(entry, effect=SyncEffect.UNCHANGED, reason=_MEANWHILE) if is_open else entry


def _describe_refusal(error: BaseException) -> str:
    if isinstance(error, GmailWarmupError):
        return str(error)
    return f"The database does not accept a value of this mailbox. {describe_error(error)}"


@retry_conflict
def _write_batch(engine: sa.Engine, batch: Sequence[SyncEntry], *, actor: str, tag: str) -> set[str]:
    """Make the changes of a batch; return the addresses without those that somebody else was faster with."""
    with write_transaction(engine) as connection:
        addresses = [entry.address for entry in batch if entry.effect in (SyncEffect.PAUSE, SyncEffect.TAG)]
        known = bulk.find_existing(connection, addresses, lock=True)
        added = _add(connection, batch, actor=actor, tag=tag)
        pauses = {
            entry.address: Pause(reason=PAUSE_REASON + entry.reason)
            for entry in batch
            if entry.effect is SyncEffect.PAUSE and entry.address in known and known[entry.address].paused_at is None
        }
        if pauses:
            bulk.pause_each(connection, pauses, actor=actor)
        tagged = [e.address for e in batch if e.effect is SyncEffect.TAG and e.address in known]
        tagged = [address for address in tagged if tag not in known[address].tags]
        if tagged:
            removals.require_kept(connection, tagged)
            change_settings(connection, tagged, MailboxChanges(add_tags=(tag,)), actor=actor)
    return {*added, *pauses, *tagged}


def _add(connection: sa.Connection, batch: Sequence[SyncEntry], *, actor: str, tag: str) -> set[str]:
    """Add the new mailboxes of a batch, with the tag; return their addresses."""
    tags = (tag,) if tag else ()
    inputs = [
        MailboxInput(address=entry.address, settings=entry.settings.model_copy(update={"tags": tags}))
        for entry in batch
        if entry.effect is SyncEffect.ADD and entry.settings
    ]
    return bulk.add_mailboxes(connection, inputs, actor=actor) if inputs else set()


def count_effects(entries: Iterable[SyncEntry]) -> dict[str, int]:
    """Return the number of entries of each effect; those that failed are counted as ``failed``."""
    counts = Counter(FAILED if entry.error else entry.effect.value for entry in entries)
    return {str(name): counts[name] for name in (*SyncEffect, FAILED)}


def describe_counts(counts: Mapping[str, int]) -> str:
    """Return the numbers that are not zero as one text."""
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number)


def describe_stop(done: Sequence[SyncEntry], total: int) -> str:
    """Return how far a synchronisation came that ended early, and the remedy."""
    counts = describe_counts(count_effects(done)) or "none"
    return (
        f"Stopped after {len(done)} of {total} mailboxes: {counts}. What was changed stays. Repeat the synchronisation "
        "to continue."
    )


def select_shown(entries: Iterable[SyncEntry]) -> list[SyncEntry]:
    """Return the entries that a person has to see: all but those with nothing to do and nothing to say."""
    return [entry for entry in entries if entry.reason or entry.effect is not SyncEffect.UNCHANGED]
