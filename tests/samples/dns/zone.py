"""Records of a zone in memory, to be used as a lookup."""

from __future__ import annotations

from collections.abc import Mapping

from gmail_warmup.domains.lookup import InvalidNameError, NoAnswerError, RecordType

TIMEOUT = "no answer"
"""A value that stands for a name server that does not answer."""

_TYPES = {kind.value for kind in RecordType}

Records = Mapping[str, str | list[str]]
"""Records by name, or by name and type such as ``example.com MX``; without a type they are TXT records."""


class Zone:
    """Answers from records in memory.

    Attributes:
        asked: each question, in order.
    """

    def __init__(self, *parts: Records) -> None:
        self._records: dict[tuple[str, str], list[str]] = {}
        self.asked: list[tuple[str, RecordType]] = []
        for part in parts:
            for key, values in part.items():
                name, _, record_type = key.rpartition(" ")
                place = (name, record_type) if record_type in _TYPES else (key, "TXT")
                self._records[place] = [values] if isinstance(values, str) else values

    def __call__(self, name: str, record_type: RecordType = RecordType.TXT) -> list[str]:
        """Return the records of a name, as a resolver does."""
        self.asked.append((name, record_type))
        name = name.lower().removesuffix(".")
        if len(name) > 253 or any(not 0 < len(label) <= 63 for label in name.split(".")):
            raise InvalidNameError(f"{name} is not a valid domain name.")
        found = self._records.get((name, record_type.value), [])
        if TIMEOUT in found:
            raise NoAnswerError(f"{name}: no answer.")
        return found
