"""The tables of reason codes."""

from __future__ import annotations

import pytest

from gmail_warmup.core.reasons import ReasonBase, build_reason_table
from gmail_warmup.domains.authentication_reasons import AUTHENTICATION_REASONS
from gmail_warmup.domains.reasons import DNS_REASONS
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.health.reasons import WARMUP_REASONS

ALL_REASONS: list[ReasonBase] = [
    *REASONS.values(), *DNS_REASONS.values(), *AUTHENTICATION_REASONS.values(), *WARMUP_REASONS.values(),
]  # fmt: skip


def test_a_code_that_appears_twice_is_refused():
    reason = ReasonBase(code="spam_some", message="Some mails were spam.", remedy="")
    with pytest.raises(ValueError, match="'spam_some' appears twice"):
        build_reason_table([reason, reason])


@pytest.mark.parametrize("reason", ALL_REASONS, ids=lambda reason: reason.code)
def test_every_text_is_a_sentence(reason: ReasonBase):
    assert reason.message[:1].isupper()
    assert reason.message.endswith(".")
    # A remedy may end with a command or a record, which is copied without a full stop.
    assert reason.remedy == "" or reason.remedy[0].isupper()
