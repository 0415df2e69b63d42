"""Arguments that several commands take."""

from __future__ import annotations

from typing import Annotated

import typer

Address = Annotated[str, typer.Argument(help="Address of the mailbox.", show_default=False)]
Addresses = Annotated[list[str], typer.Argument(help="Addresses of mailboxes.", show_default=False)]

DEFAULT_LIMIT = 50
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="Maximum number of entries.")]
