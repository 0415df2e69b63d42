"""The doctor: what an installation needs, checked one by one; each finding says what to do about it."""

from __future__ import annotations

from gmail_warmup.doctor.examination import examine as examine
from gmail_warmup.doctor.findings import Check as Check
from gmail_warmup.doctor.findings import Status as Status
