"""Record `make demo EXIT=1` as an animated SVG, docs/images/demo.svg; `make recording` runs this.

The recording shows the real output of a run in its own terminal, sped up. Local paths are removed; output that looks
like a token or a secret stops the recording.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

from terminal import Cell, Terminal

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "demo.svg"
COLUMNS, ROWS = 104, 30
LENGTH, FRAME, LAST = 30.0, 0.25, 8.0
"""Seconds of the whole recording, of one frame, and of the last frame."""
WIDTH, HEIGHT, MARGIN = 7.8, 18, 16
_SECRET = re.compile(r"1//|ya29\.|GOCSPX|client-secret|Password|Login")
_STYLE = """
.bg { fill: #0d1117; } text { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #e6edf3; }
.bold { font-weight: 700; } .dim { fill: #9198a1; } .red { fill: #ff7b72; } .green { fill: #3fb950; }
.yellow { fill: #d29922; } .blue { fill: #58a6ff; } .magenta { fill: #bc8cff; } .cyan { fill: #39c5cf; }
.frame { visibility: hidden; }
"""

Line = tuple[Cell, ...]


@dataclass(frozen=True)
class Shot:
    """The screen from one moment of the recording on."""

    at: float
    lines: Sequence[Line]


def record() -> list[Shot]:
    """Run the demo in a terminal and return its screens.

    Raises:
        SystemExit: if the demo fails, or its output contains something that looks like a secret.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
    command = [sys.executable, "-m", "gmail_embedded.demo", "--exit"]
    running = subprocess.Popen(command, stdout=slave, stderr=slave, stdin=slave, env=environment, cwd=ROOT)  # noqa: S603
    os.close(slave)
    shots = list(_watch(master))
    if running.wait():
        last = ["".join(char for char, _ in line) for line in shots[-1].lines]
        raise SystemExit("\n".join([*last, "The demo failed; nothing was recorded."]))
    return shots


def _watch(master: int) -> Iterator[Shot]:
    terminal = Terminal(COLUMNS, ROWS)
    terminal.feed("$ make demo EXIT=1\n\r")
    began, waiting = time.monotonic(), ""
    while True:
        try:
            waiting += os.read(master, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            return
        cut = waiting.rfind("\n") + 1 if "\x1b" in waiting[-12:] else len(waiting)
        text, waiting = waiting[:cut].replace(f"{ROOT}/", ""), waiting[cut:]
        if _SECRET.search(text):
            raise SystemExit("The demo shows what may not be recorded.")
        terminal.feed(text)
        yield Shot(time.monotonic() - began, terminal.lines())


def frames(shots: Sequence[Shot]) -> Iterator[tuple[float, Sequence[Line]]]:
    """Yield each frame with its duration in seconds."""
    step = FRAME * max(1.0, shots[-1].at / LENGTH)
    last: dict[int, Sequence[Line]] = {int(shot.at / step): shot.lines for shot in shots}
    places = sorted(last)
    for place, following in zip(places, [*places[1:], places[-1]], strict=True):
        yield LAST if place == following else (following - place) * FRAME, last[place]


def draw(shown: Sequence[tuple[float, Sequence[Line]]]) -> str:
    """Return the SVG. Each distinct line is drawn once and referenced by the frames that contain it."""
    numbers: dict[Line, int] = {}
    groups = []
    for _, lines in shown:
        uses = "".join(
            f'<use href="#l{numbers.setdefault(line, len(numbers))}" y="{row * HEIGHT}"/>'
            for row, line in enumerate(lines)
            if line
        )
        groups.append(f'<g class="frame f{len(groups)}">{uses}</g>')
    defined = "".join(
        f'<text id="l{number}" xml:space="preserve">{_spans(line)}</text>' for line, number in numbers.items()
    )
    width, height = round(COLUMNS * WIDTH + 2 * MARGIN), ROWS * HEIGHT + 2 * MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="make demo, recorded and played faster">\n'
        f"<style>{_STYLE}{_timing(shown)}</style>\n<defs>{defined}</defs>\n"
        f'<rect class="bg" width="{width}" height="{height}" rx="8"/>\n'
        f'<g transform="translate({MARGIN} {MARGIN + 13})">\n' + "\n".join(groups) + "\n</g>\n</svg>\n"
    )


def _timing(shown: Sequence[tuple[float, Sequence[Line]]]) -> str:
    """Return the CSS rules that show the frames in sequence, or only the last one with reduced motion."""
    rules, at, whole = list[str](), 0.0, sum(seconds for seconds, _ in shown)
    for number, (seconds, _) in enumerate(shown):
        begin, end = 100 * at / whole, 100 * (at + seconds) / whole
        before = "0% { visibility: hidden; } " if number else ""
        after = f" {end:.3f}% {{ visibility: hidden; }}" if number < len(shown) - 1 else ""
        rules.append(
            f"@keyframes k{number} {{ {before}{begin:.3f}% {{ visibility: visible; }}{after} }} "
            f".f{number} {{ animation: k{number} {whole:.2f}s step-end infinite; }}"
        )
        at += seconds
    still = "@media (prefers-reduced-motion: reduce) { .frame { animation: none; } "
    return "\n".join([*rules, f"{still} .f{len(shown) - 1} {{ visibility: visible; }} }}"])


def _spans(line: Line) -> str:
    parts = ((style, "".join(char for char, _ in cells)) for style, cells in groupby(line, key=lambda cell: cell[1]))
    return "".join(f'<tspan class="{style}">{escape(text)}</tspan>' if style else escape(text) for style, text in parts)


def main() -> int:
    """Record the demo and write the picture."""
    picture = draw(list(frames(record())))
    PICTURE.write_text(picture, encoding="utf-8")
    print(f"{PICTURE.relative_to(ROOT)}: {len(picture.encode()) // 1000} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
