"""Views of what Google reported about SPF, DKIM and DMARC of the mail of a mailbox or a domain."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core.enums import AuthenticationMethod, AuthenticationResult
from gmail_warmup.domains.authentication import StoredReport


class AuthenticationReport(BaseModel):
    """What Google last reported about one method, in the header Authentication-Results."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    method: AuthenticationMethod
    result: AuthenticationResult
    is_aligned: bool | None = Field(
        description="Whether the authenticated domain belongs to the From header; null for DMARC."
    )
    seen_at: datetime = Field(description="When the last mail with a report was found at its recipient.")
    passed_at: datetime | None = Field(description="When a mail last passed; null if none did.")
    failures: int = Field(description="Number of mails in a row that this method did not authenticate.")

    @property
    def label(self) -> str:
        """Return the result as text."""
        is_of_other = self.result is AuthenticationResult.PASS and self.is_aligned is False
        return f"{self.result} for another domain" if is_of_other else self.result

    @property
    def tone(self) -> str:
        """Return the DNS result with the same colour and icon."""
        if self.failures:
            return "bad"
        return "ok" if self.result is AuthenticationResult.PASS else "could_not_tell"


def build_reports(reports: Iterable[StoredReport]) -> list[AuthenticationReport]:
    """Build the views of the reports of a mailbox or a domain."""
    return [AuthenticationReport.model_validate(report) for report in reports]
