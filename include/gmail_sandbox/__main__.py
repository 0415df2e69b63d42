"""`python -m gmail_sandbox`."""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import suppress

from gmail_sandbox.app import create_app
from gmail_sandbox.control.routes import PREFIX as CONTROL
from gmail_sandbox.server import PortTaken, listen, server_for
from gmail_sandbox.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Run the sandbox until it is interrupted; return the exit code."""
    parser = argparse.ArgumentParser(prog="gmail_sandbox", description="A stand-in for Google's OAuth and Gmail v1.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--seed", type=int, default=7, help="for placement and faults by chance")
    parser.add_argument("--log-level", default="warning", choices=["debug", "info", "warning", "error", "critical"])
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=chosen.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        sock = listen(chosen.host, chosen.port)
    except PortTaken as error:
        print(f"gmail_sandbox: {error}", file=sys.stderr)
        return 2
    host, port = sock.getsockname()[:2]
    print(f"Gmail sandbox on http://{host}:{port}, its controls under {CONTROL}", flush=True)
    with sock, suppress(KeyboardInterrupt):
        server_for(create_app(Settings(seed=chosen.seed)), chosen.log_level).run(sockets=[sock])
    return 0


if __name__ == "__main__":
    sys.exit(main())
