"""The period and the mailboxes that the overview is about, and links that keep them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlencode

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.models import MailboxKind
from gmail_warmup.mailboxes.addresses import normalize_domain
from gmail_warmup.mailboxes.tags import normalize_tag
from gmail_warmup.web.queries.filters import Group, MailboxFilter
from gmail_warmup.web.queries.list_params import parse_choice
from gmail_warmup.web.text_limits import MAX_TEXT_LENGTH


class Period(StrEnum):
    """The period of the overview."""

    TODAY = "today"
    MONTH = "30"
    QUARTER = "90"

    @property
    def days(self) -> int:
        """Return the number of local days, including today."""
        return 1 if self is Period.TODAY else int(self.value)


@dataclass(frozen=True, kw_only=True)
class FleetScope:
    """The period, and the mailboxes that the overview is about: those that meet all conditions."""

    period: Period = Period.MONTH
    kind: MailboxKind | None = None
    domain: str = ""
    tag: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> FleetScope:
        """Parse the URL parameters. Unknown periods and kinds are ignored, so that an outdated link still works."""
        domain, tag = (query.get(name, "")[:MAX_TEXT_LENGTH] for name in ("domain", "tag"))
        return cls(
            period=parse_choice(Period, query.get("period", "")) or Period.MONTH,
            kind=parse_choice(MailboxKind, query.get("kind", "")),
            domain=normalize_domain(domain),
            tag=_parse_tag(tag.strip()),
        )

    @property
    def parameters(self) -> dict[str, str]:
        """Return the filter as parameters of the list, the API and the overview."""
        return {name: str(value) for name in ("kind", "domain", "tag") if (value := getattr(self, name))}

    def to_filter(self, group: Group | None = None) -> MailboxFilter:
        """Return the filter of these mailboxes."""
        return MailboxFilter(group=group, kind=self.kind, domain=self.domain, tag=self.tag)

    def build_link(self, path: str = "/", **changes: str) -> str:
        """Return a relative link from the overview to a page of the application, with this filter.

        Args:
            changes: further or other parameters.
        """
        return f".{path}?{urlencode(self.parameters | changes)}"


def _parse_tag(text: str) -> str:
    """Return the stored form of a tag. A text that cannot be a tag is kept: no mailbox has it."""
    try:
        return normalize_tag(text)
    except InvalidInputError:
        return text
