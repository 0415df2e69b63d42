"""The bench of the parsers: how many inputs of the field they read as the standards say."""

from __future__ import annotations

from bench.parsers.authentication import AUTHENTICATION
from bench.parsers.dns import DNS
from bench.parsers.files import measure_files
from bench.parsers.notifications import measure_notifications
from bench.report import Bench, Part

PARTS: tuple[Part, ...] = (
    Part(name="notifications", title="Notifications of mail systems", run=measure_notifications),
    Part(name="files", title="Token files and tables", run=measure_files),
    AUTHENTICATION,
    DNS,
)

PARSERS = Bench(
    title="Parsers",
    parts=PARTS,
    keys=(
        "spf_records", "spf_right", "dmarc_right", "dsn_files", "dsn_right", "token_shapes", "csv_shapes",
        "wrong_mailbox", "foreign_touched", "auth_results_read",
    ),
)  # fmt: skip
