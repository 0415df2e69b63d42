"""A mailbox with its messages, labels, threads and history."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from gmail_sandbox.mime import Content
from gmail_sandbox.records import Draft, HistoryEntry, HistoryKind, Label, LabelEvent, Message

SYSTEM_LABELS = (
    "CHAT",
    "SENT",
    "INBOX",
    "IMPORTANT",
    "TRASH",
    "DRAFT",
    "SPAM",
    "CATEGORY_FORUMS",
    "CATEGORY_UPDATES",
    "CATEGORY_PERSONAL",
    "CATEGORY_PROMOTIONS",
    "CATEGORY_SOCIAL",
    "STARRED",
    "UNREAD",
)
HISTORY_SECONDS = 7 * 86400  # Google promises "at least a week"
HISTORY_ENTRIES = 20_000


@dataclass(slots=True)
class Mailbox:
    """A mailbox of the sandbox; its methods record every change of a message in the history."""

    address: str
    display_name: str = ""
    spam_chance: float | None = None
    sending_limit: int = 500
    refuses_with: str | None = None
    bounce_form: str = "rfc3464"
    """RFC 3464, RFC 6533, Google's report with an empty status part, or plain text."""
    limit_notice: str | None = None
    vacation: str = ""
    messages: dict[str, Message] = field(default_factory=dict)
    drafts: dict[str, Draft] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    history: deque[HistoryEntry] = field(default_factory=deque)
    history_id: int = 1000
    oldest_history_id: int = 1000
    sent_times: deque[float] = field(default_factory=deque)
    _threads: dict[str, dict[str, Message]] = field(default_factory=dict)
    _by_rfc_id: dict[str, list[Message]] = field(default_factory=dict)
    _labels_made: int = 0

    def label(self, label_id: str) -> Label | None:
        """Return a system or user label."""
        if label_id in SYSTEM_LABELS:
            return Label(label_id, label_id, "system")
        return self.labels.get(label_id)

    def all_labels(self) -> list[Label]:
        """Return the system labels followed by the user labels."""
        return [Label(name, name, "system") for name in SYSTEM_LABELS] + list(self.labels.values())

    def make_label(self, name: str) -> Label:
        """Create a user label."""
        self._labels_made += 1
        label = Label(f"Label_{self._labels_made}", name)
        self.labels[label.id] = label
        return label

    def drop_label(self, label_id: str, now: float) -> None:
        """Delete a user label and remove it from all messages."""
        del self.labels[label_id]
        for message in [m for m in self.messages.values() if label_id in m.labels]:
            self.change(message, (), (label_id,), now)

    def add(self, message: Message, now: float) -> None:
        """Add a message to the mailbox."""
        self.messages[message.id] = message
        self._threads.setdefault(message.thread_id, {})[message.id] = message
        if message.content.rfc_id:
            self._by_rfc_id.setdefault(message.content.rfc_id, []).append(message)
        message.events.append(LabelEvent(now, sorted(message.labels), []))
        self._record("messageAdded", message, now)

    def remove(self, message: Message, now: float) -> None:
        """Delete a message permanently."""
        del self.messages[message.id]
        thread = self._threads[message.thread_id]
        del thread[message.id]
        if not thread:
            del self._threads[message.thread_id]
        if message.content.rfc_id:
            self._by_rfc_id[message.content.rfc_id].remove(message)
        message.deleted = True
        self._record("messageDeleted", message, now)

    def change(self, message: Message, add: Iterable[str], remove: Iterable[str], now: float) -> None:
        """Add and remove labels; only actual changes are recorded in the history."""
        to_add, to_remove = set(add), set(remove)
        if to_add & {"SPAM", "TRASH"}:
            to_remove |= {"INBOX"} - to_add
        added, removed = sorted(to_add - message.labels), sorted(to_remove & message.labels)
        if not added and not removed:
            return
        message.labels = (message.labels | to_add) - to_remove
        message.events.append(LabelEvent(now, added, removed))
        if added:
            self._record("labelAdded", message, now, added)
        if removed:
            self._record("labelRemoved", message, now, removed)

    def newest_first(self, rfc_id: str | None = None) -> Iterator[Message]:
        """Yield all messages, or those with this Message-ID (without angle brackets), newest first."""
        with_id = () if rfc_id is None else (*self.by_rfc_id(f"<{rfc_id}>"), *self.by_rfc_id(rfc_id))
        messages = self.messages.values() if rfc_id is None else with_id
        yield from sorted(messages, key=lambda message: message.order, reverse=True)

    def thread(self, thread_id: str) -> list[Message]:
        """Return a thread's messages, oldest first; empty if the thread does not exist."""
        return sorted(self._threads.get(thread_id, {}).values(), key=lambda message: message.order)

    def thread_ids(self) -> Collection[str]:
        """Return the ids of all threads."""
        return self._threads.keys()

    def by_rfc_id(self, rfc_id: str) -> list[Message]:
        """Return the messages with this Message-ID."""
        return self._by_rfc_id.get(rfc_id, [])

    def thread_for(self, content: Content, asked: str | None = None) -> str | None:
        """Return the thread that a mail joins by References and subject, or None for a new thread.

        A requested thread is joined under the same two conditions, as in Gmail.
        """
        for rfc_id in content.references:
            for other in self.by_rfc_id(rfc_id):
                if asked in (None, other.thread_id) and other.content.thread_subject == content.thread_subject:
                    return other.thread_id
        return None

    def counts(self) -> dict[str, int]:
        """Return the number of messages by label."""
        return dict(Counter(label for message in self.messages.values() for label in message.labels))

    def _record(self, kind: HistoryKind, message: Message, now: float, changed: Iterable[str] = ()) -> None:
        self.history_id += 1
        message.history_id = self.history_id
        after = tuple(sorted(message.labels))
        self.history.append(
            HistoryEntry(self.history_id, now, kind, message.id, message.thread_id, after, tuple(changed))
        )
        self.forget_history(now)

    def history_after(self, history_id: int) -> Iterator[HistoryEntry]:
        """Yield the changes after a history id, oldest first. Ids are consecutive, so the offset can be computed."""
        offset = history_id + 1 - self.history[0].id if self.history else 0
        return itertools.islice(self.history, max(0, offset), None)

    def forget_history(self, now: float) -> None:
        """Drop history entries past their retention."""
        while self.history and (self.history[0].at < now - HISTORY_SECONDS or len(self.history) > HISTORY_ENTRIES):
            self.oldest_history_id = self.history.popleft().id
