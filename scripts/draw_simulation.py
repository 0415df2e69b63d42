"""Draw the picture of a simulation from the data of ``make bench BENCH=engine``.

    .venv/bin/python scripts/draw_simulation.py .run/bench/simulation.json docs/images/simulation.svg

The picture is an SVG with styles for light and dark mode. It needs only the standard library.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

Counts = Mapping[str, Mapping[str, int]]
"""Counts by date and name."""

WIDTH, LEFT, RIGHT, TOP, PANEL, GAP = 880, 60, 150, 56, 150, 62
BANDS = ("healthy", "watch", "throttled", "paused", "blocked")

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #57606a; }
.title { font-size: 15px; font-weight: 600; fill: #1f2328; }
.panel { font-size: 13px; font-weight: 600; fill: #1f2328; }
.grid { stroke: #d0d7de; stroke-width: 1; }
.mark { stroke: #57606a; stroke-width: 1; stroke-dasharray: 3 3; }
.planned { fill: none; stroke: #1f2328; stroke-width: 1.5; }
.sent, .inbox { fill: #4f8fd0; }
.spam { fill: #d1495b; }
.other { fill: #8c959f; }
.healthy { fill: #57a773; } .watch { fill: #e0b84c; } .throttled { fill: #e08e45; }
.paused { fill: #c8553d; } .blocked { fill: #7d3c98; }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1; }
  .title, .panel { fill: #f0f6fc; }
  .grid { stroke: #30363d; }
  .mark { stroke: #9198a1; }
  .planned { stroke: #f0f6fc; }
}
"""


@dataclass(frozen=True)
class Panel:
    """One diagram: stacked bars by date, a line over them, and labels."""

    title: str
    days: Sequence[str]
    parts: Sequence[tuple[str, str, Sequence[int]]]
    """Style, name and numbers of each part, bottom to top."""
    line: Sequence[int] | None = None
    share: bool = False
    """Whether the parts of a day are drawn as percentages."""

    def draw(self, top: int) -> Iterator[str]:
        """Yield the SVG elements of the diagram, placed at a vertical offset."""
        inner = WIDTH - LEFT - RIGHT
        step, sums = inner / len(self.days), [sum(part[2][place] for part in self.parts) for place in self._places]
        most = 100 if self.share else _round_up(max([*sums, *(self.line or ())]))
        yield f'<text class="panel" x="{LEFT}" y="{top - 10}">{self.title}</text>'
        for part in (0, 0.5, 1):
            y = top + PANEL * (1 - part)
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            label = f"{most * part:,.0f}{' %' if self.share else ''}"
            yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        for place in self._places:
            base = float(top + PANEL)
            whole = sums[place] if self.share else most
            for style, _, numbers in self.parts:
                height = PANEL * (100 / most if self.share else 1) * numbers[place] / whole if whole else 0
                base -= height
                if height:
                    yield (
                        f'<rect class="{style}" x="{LEFT + place * step + 0.5:.1f}" y="{base:.1f}" '
                        f'width="{step - 1:.1f}" height="{height:.2f}"/>'
                    )
        if self.line:
            yield self._stairs(top, step, most)
        yield from self._names(top)

    @property
    def _places(self) -> range:
        return range(len(self.days))

    def _stairs(self, top: int, step: float, most: int) -> str:
        points = []
        for place, number in enumerate(self.line or ()):
            y = top + PANEL * (1 - number / most)
            points += [f"{LEFT + place * step:.1f},{y:.1f}", f"{LEFT + (place + 1) * step:.1f},{y:.1f}"]
        return f'<polyline class="planned" points="{" ".join(points)}"/>'

    def _names(self, top: int) -> Iterator[str]:
        x, y = WIDTH - RIGHT + 14, top + 10
        if self.line:
            yield f'<line class="planned" x1="{x}" x2="{x + 12}" y1="{y - 4}" y2="{y - 4}"/>'
            yield f'<text x="{x + 18}" y="{y}">planned by the ramp</text>'
            y += 20
        for style, name, numbers in reversed(self.parts):
            if any(numbers):
                yield f'<rect class="{style}" x="{x}" y="{y - 10}" width="12" height="12" rx="2"/>'
                yield f'<text x="{x + 18}" y="{y}">{name}</text>'
                y += 20


def _round_up(number: int) -> int:
    """Round up to two significant digits."""
    unit = 10 ** max(0, len(str(number)) - 2)
    return max(1, -(-number // unit) * unit)


def _column(counts: Counts, days: Sequence[str], *names: str) -> list[int]:
    return [sum(counts.get(day, {}).get(name, 0) for name in names) for day in days]


def panels(data: Mapping[str, Counts], days: Sequence[str]) -> list[Panel]:
    """Build the diagrams of volume, placement and bands."""
    volume, placement, bands = data["volume"], data["placement"], data["bands"]
    others = sorted({name for counts in placement.values() for name in counts} - {"INBOX", "SPAM"})
    return [
        Panel(
            "First mails a day",
            days,
            [("sent", "sent", _column(volume, days, "sent"))],
            line=_column(volume, days, "planned"),
        ),
        Panel(
            "Where Gmail put them",
            days,
            [
                ("spam", "spam", _column(placement, days, "SPAM")),
                ("other", "elsewhere", _column(placement, days, *others)),
                ("inbox", "inbox", _column(placement, days, "INBOX")),
            ],
            share=True,
        ),
        Panel(
            "Warmup mailboxes by health band",
            days,
            [(band, band, _column(bands, days, band)) for band in reversed(BANDS)],
        ),
    ]


def picture(data: Mapping[str, Counts], *, title: str, sick_from: str) -> str:
    """Return the complete SVG."""
    first, last = date.fromisoformat(min(data["bands"])), date.fromisoformat(max(data["bands"]))
    days = [str(first + timedelta(days=ahead)) for ahead in range((last - first).days + 1)]
    shown = panels(data, days)
    height = TOP + len(shown) * (PANEL + GAP)
    step = (WIDTH - LEFT - RIGHT) / len(days)
    elements = [f'<text class="title" x="{LEFT}" y="24">{title}</text>']
    for number, panel in enumerate(shown):
        elements += panel.draw(TOP + 14 + number * (PANEL + GAP))
    bottom = TOP + 14 + (len(shown) - 1) * (PANEL + GAP) + PANEL
    for place, day in enumerate(days):
        if date.fromisoformat(day).weekday() == 0:
            x = LEFT + place * step
            elements.append(f'<text x="{x:.1f}" y="{bottom + 18}">{date.fromisoformat(day):%-d %b}</text>')
    if sick_from in days:
        x = LEFT + days.index(sick_from) * step
        for number in range(len(shown)):
            top = TOP + 14 + number * (PANEL + GAP)
            elements.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + PANEL}"/>')
        elements.append(f'<text x="{x + 5:.1f}" y="{bottom + 36}">one domain goes to spam</text>')
    body = "\n".join(elements)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">\n'
        f"<style>{STYLE}</style>\n{body}\n</svg>\n"
    )


def main(source: str, target: str) -> None:
    """Read the data and write the picture."""
    data = json.loads(Path(source).read_text(encoding="utf-8"))
    title = f"{data['mails']:,} mails in {len(data['bands'])} simulated days"
    Path(target).write_text(picture(data, title=title, sick_from=data["sick_from"]), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
