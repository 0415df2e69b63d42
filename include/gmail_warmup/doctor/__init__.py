"""The doctor: what an installation needs, checked one by one; each finding says what to do about it."""

from __future__ import annotations

from gmail_warmup.doctor.result import CheckResult as CheckResult
from gmail_warmup.doctor.result import Status as Status
from gmail_warmup.doctor.runner import run_checks as run_checks
