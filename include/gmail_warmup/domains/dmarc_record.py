"""DMARC records, and the discovery of the record that applies to a domain (RFC 9989)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from gmail_warmup.domains.lookup import DnsLookup, InvalidNameError
from gmail_warmup.domains.tag_list import TagList, parse_tag_list

MAX_LABELS = 8
"""Labels from which on the tree walk leaves out names, so that it has at most eight queries (4.10)."""

_VERSION = re.compile(r"v[ \t]*=[ \t]*(?-i:DMARC1)[ \t]*(?:;|\Z)", re.IGNORECASE)
_POLICIES = frozenset({"none", "quarantine", "reject"})
_POLICY_TAGS = ("p", "sp", "np")
_VALUES = {
    "adkim": frozenset("rs"),
    "aspf": frozenset("rs"),
    "psd": frozenset("ynu"),
    "t": frozenset("yn"),
}
_REPORT_URI = re.compile(
    r"mailto:[^@\s,!]+@[^@\s,!]+(?:![0-9]+[kmgt]?)?|(?!mailto:)[a-z][a-z0-9+.-]*:[^\s,!]+", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True)
class DmarcRecord:
    """The record of a domain."""

    domain: str
    tags: TagList

    @property
    def name(self) -> str:
        """Return the name where it is published."""
        return f"_dmarc.{self.domain}"

    def get_tag(self, name: str, default: str = "") -> str:
        """Return the value of a tag in lower case."""
        return self.tags.values.get(name, default).lower()

    def has_valid_policies(self) -> bool:
        """Return whether each policy that is given is valid; a record without p= counts as p=none (4.7)."""
        return all(self.get_tag(tag) in _POLICIES for tag in _POLICY_TAGS if tag in self.tags.values)

    def has_report_address(self) -> bool:
        """Return whether rua= has a valid URI."""
        return any(_REPORT_URI.fullmatch(uri.strip()) for uri in self.tags.values.get("rua", "").split(","))

    def list_ignored_parts(self) -> list[str]:
        """Return what receivers ignore: malformed parts, and values that are not defined (4.8)."""
        values = self.tags.values
        bad = [f"{tag}={values[tag]}" for tag in _VALUES if tag in values and self.get_tag(tag) not in _VALUES[tag]]
        return [*self.tags.malformed, *bad]


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """What the discovery of a policy found.

    Attributes:
        record: the record that applies; None if no record applies.
        is_of_public_suffix: whether it is that of the public suffix above the domain.
        several_at: the names with several records, all of which receivers ignore.
        other_texts: texts at the domain's own name that were meant as a record but are none.
    """

    record: DmarcRecord | None = None
    is_of_public_suffix: bool = False
    several_at: list[str] = field(default_factory=list)
    other_texts: list[str] = field(default_factory=list)


def discover_record(domain: str, lookup: DnsLookup) -> Discovery:
    """Find the record that applies to a domain by a DNS tree walk (4.10).

    Raises:
        NoAnswerError: if the name servers do not answer.
    """
    several_at: list[str] = []
    other_texts: list[str] = []
    records: list[DmarcRecord] = []
    for name in list_walked_domains(domain):
        texts = _lookup_texts(f"_dmarc.{name}", lookup)
        valid = [text for text in texts if _VERSION.match(text)]
        if name == domain:
            other_texts += [text for text in texts if "dmarc1" in text.lower() and text not in valid]
        if len(valid) > 1:
            several_at.append(f"_dmarc.{name}")
        if len(valid) != 1:
            continue
        records.append(DmarcRecord(domain=name, tags=parse_tag_list(valid[0], ignore_case=True)))
        if name == domain or records[-1].get_tag("psd") in ("y", "n"):
            break
    record, is_of_public_suffix = _select_record(records, domain)
    return Discovery(
        record=record, is_of_public_suffix=is_of_public_suffix, several_at=several_at, other_texts=other_texts
    )


def list_walked_domains(domain: str) -> Iterator[str]:
    """Yield the domain and the domains above it, up to the top level: eight at most."""
    labels = domain.split(".")
    yield domain
    first = 1 if len(labels) <= MAX_LABELS else len(labels) - MAX_LABELS + 1
    for start in range(first, len(labels)):
        yield ".".join(labels[start:])


def _select_record(records: list[DmarcRecord], domain: str) -> tuple[DmarcRecord | None, bool]:
    """Return the record of the domain, its organizational domain or its public suffix, and whether it is the last."""
    if not records:
        return None, False
    last = records[-1]
    if last.domain == domain or last.get_tag("psd") != "y":
        return last, False
    # The organizational domain is one label below the public suffix.
    depth = last.domain.count(".") + 1
    organizational = [record for record in records if record.domain.count(".") == depth]
    return (organizational[0], False) if organizational else (last, True)


def _lookup_texts(name: str, lookup: DnsLookup) -> list[str]:
    try:
        return lookup(name)
    except InvalidNameError:
        return []
