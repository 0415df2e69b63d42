"""Read a sample with the parser, in the form of its expectation."""

from __future__ import annotations

from gmail_warmup.gmail.authentication_results import MethodReport, read_authentication
from samples.authentication.headers import Sample


def read_sample(sample: Sample) -> tuple[tuple[str, ...], bool | None]:
    """Return the reports as texts, and whether the mail counts as not authenticated."""
    reports = read_authentication(sample.headers, sample.sender)
    return tuple(map(_show_report, reports)), reports[-1].has_failed if reports else None


def _show_report(report: MethodReport) -> str:
    return f"{report.result}{'*' if report.is_aligned is False else ''}"
