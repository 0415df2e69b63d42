"""Draw the picture of a pool mailbox's day from the data of ``make bench BENCH=engine``.

    .venv/bin/python scripts/draw_sessions.py scripts/day_without_sessions.json .run/bench/visits.json \
        docs/images/sessions.svg

The first file is a day of the last release whose due times were drawn for each mail. The picture is an SVG with styles
for light and dark mode. It needs only the standard library.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

WIDTH, LEFT, RIGHT, TOP, LANE, GAP = 880, 90, 30, 76, 24, 74
FIRST_HOUR, LAST_HOUR = 7, 23
ACTIONS = ("rescue", "read", "reply", "collect")
TITLES = ("A time for each mail: {count} tasks", "In sessions: {count} tasks, {visits} visits")

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #57606a; }
.title { font-size: 15px; font-weight: 600; fill: #1f2328; }
.panel { font-size: 13px; font-weight: 600; fill: #1f2328; }
.grid { stroke: #d0d7de; stroke-width: 1; }
.visit { stroke: #57606a; stroke-width: 1; stroke-dasharray: 2 3; }
.rescue { fill: #4f8fd0; } .read { fill: #57a773; } .reply { fill: #e08e45; } .collect { fill: #8c6bb1; }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1; }
  .title, .panel { fill: #f0f6fc; }
  .grid { stroke: #30363d; }
  .visit { stroke: #9198a1; }
}
"""


@dataclass(frozen=True)
class Day:
    """The tasks of a mailbox on a day: their hour of the local day, and their action."""

    tasks: Sequence[tuple[float, str]]

    @classmethod
    def load(cls, path: str) -> Day:
        """Read the data that the bench has written."""
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        zone = ZoneInfo(data["zone"])
        local = [(datetime.fromisoformat(at).astimezone(zone), action) for at, action in data["tasks"]]
        return cls([(at.hour + at.minute / 60, action) for at, action in local])

    @property
    def visits(self) -> list[float]:
        """Return the hours at which there is a task, whatever its action."""
        return sorted({hour for hour, _ in self.tasks})

    def draw(self, top: int, title: str) -> Iterator[str]:
        """Yield the SVG elements: a lane for each action, and a line through the tasks of one visit."""
        bottom = top + LANE * len(ACTIONS)
        text = title.format(count=len(self.tasks), visits=len(self.visits))
        yield f'<text class="panel" x="{LEFT}" y="{top - 12}">{text}</text>'
        for hour in range(FIRST_HOUR, LAST_HOUR + 1, 2):
            yield f'<text x="{_x(hour):.1f}" y="{bottom + 18}" text-anchor="middle">{hour:02}:00</text>'
        for hour in self.visits:
            yield f'<line class="visit" x1="{_x(hour):.1f}" x2="{_x(hour):.1f}" y1="{top}" y2="{bottom}"/>'
        for number, action in enumerate(ACTIONS):
            y = top + LANE * number + LANE / 2
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
            yield f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{action}</text>'
            for hour in (hour for hour, of_task in self.tasks if of_task == action):
                yield f'<circle class="{action}" cx="{_x(hour):.1f}" cy="{y}" r="4.5"/>'


def _x(hour: float) -> float:
    return LEFT + (hour - FIRST_HOUR) / (LAST_HOUR - FIRST_HOUR) * (WIDTH - LEFT - RIGHT)


def picture(days: Sequence[Day]) -> str:
    """Return the complete SVG."""
    title = "The tasks in a pool mailbox on a working day"
    panel = LANE * len(ACTIONS) + GAP
    elements = [f'<text class="title" x="{LEFT}" y="24">{title}</text>']
    for number, (day, text) in enumerate(zip(days, TITLES, strict=True)):
        elements += day.draw(TOP + number * panel, text)
    body, height = "\n".join(elements), TOP + len(days) * panel - GAP // 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">\n'
        f"<style>{STYLE}</style>\n{body}\n</svg>\n"
    )


def main(before: str, after: str, target: str) -> None:
    """Read the data and write the picture."""
    Path(target).write_text(picture([Day.load(before), Day.load(after)]), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
