"""Ten days of warmup by the real code on a moved clock; sixty of them are ``make bench BENCH=engine``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.capacity.reckoning import estimate_tasks_a_day
from bench.engine.simulation import scripts, simulate
from bench.engine.visits import find_p95, simulate_visits, write_script
from bench.ground import Ground
from gmail_embedded.runfolder import CHECKOUT
from gmail_warmup.core.enums import HealthBand


@pytest.mark.e2e
def test_ten_days_keep_every_promise(ground: Ground, tmp_path: Path):
    # Six pool mailboxes take twelve mails in 24 hours from one sender.
    parts = scripts(shards=1, days=10, warmup=10, pool=6, sick_from=3, full=9)
    came = simulate(ground, parts)
    print(came)
    assert came.mails > 200
    assert (came.duplicates, came.lost, came.outside_hours, came.repeated_texts) == (0, 0, 0, 0)
    assert (came.planned > 150, came.volume_error) == (True, 0)
    assert came.open_rate_error <= 1
    assert came.reply_rate_error <= 1
    assert came.innocent_throttled == 0
    assert came.ready_wrong == 0
    assert came.largest_jump <= 40
    assert came.throttled_after is not None
    assert came.throttled_after <= came.paused_after <= 7
    assert came.bands[min(came.bands)] == {HealthBand.HEALTHY: 10}
    picture = draw(tmp_path, "draw_simulation.py", came.as_json(parts[0]))
    assert {"10 simulated days", "paused", "one domain goes to spam"} <= {
        text
        for element in picture.findall(".//{*}text")
        for text in (element.text, (element.text or "").partition(" in ")[2])
    }


@pytest.mark.e2e
def test_mailboxes_are_visited_in_sessions_as_the_capacity_bench_estimates(ground: Ground, tmp_path: Path):
    visits = simulate_visits(ground, write_script(warmup=5, days=2))
    print(visits.count_by_action())
    assert visits.outside_sessions == 0
    assert visits.tasks_a_day == pytest.approx(estimate_tasks_a_day(), rel=0.1)
    assert visits.tasks_a_day <= 90
    assert find_p95(visits.placed_minutes) <= 60
    assert max(visits.placed_minutes) <= 120, "known in the next session, which is up to 90 minutes after the last hour"
    before = (CHECKOUT / "scripts" / "day_without_sessions.json").read_text()
    picture = draw(tmp_path, "draw_sessions.py", before, visits.as_json())
    assert len(picture.findall(".//{*}circle")) > 100


def draw(folder: Path, script: str, *documents: str) -> ElementTree.Element:
    """Draw the picture of a run and read it."""
    sources, target = [folder / f"{number}.json" for number in range(len(documents))], folder / "run.svg"
    for source, document in zip(sources, documents, strict=True):
        source.write_text(document)
    subprocess.run([sys.executable, CHECKOUT / "scripts" / script, *sources, target], check=True)
    return ElementTree.parse(target).getroot()
