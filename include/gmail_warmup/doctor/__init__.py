"""The doctor: check an installation; each result contains a remedy."""

from __future__ import annotations

from gmail_warmup.doctor.result import CheckResult as CheckResult
from gmail_warmup.doctor.result import Status as Status
from gmail_warmup.doctor.runner import run_checks as run_checks
