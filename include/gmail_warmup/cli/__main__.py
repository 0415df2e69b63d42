"""``python -m gmail_warmup.cli``."""

from __future__ import annotations

from gmail_warmup.cli import app

app()
