"""Ten days of warmup by the real code on a moved clock; sixty of them are ``make bench BENCH=engine``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.engine.simulation import scripts, simulate
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
    picture = draw(tmp_path, came.as_json(parts[0]))
    assert {"10 simulated days", "paused", "one domain goes to spam"} <= {
        text
        for element in picture.findall(".//{*}text")
        for text in (element.text, (element.text or "").partition(" in ")[2])
    }


def draw(folder: Path, data: str) -> ElementTree.Element:
    """Draw the picture of a run and read it."""
    source, target = folder / "run.json", folder / "run.svg"
    source.write_text(data)
    subprocess.run([sys.executable, CHECKOUT / "scripts" / "draw_simulation.py", source, target], check=True)
    return ElementTree.parse(target).getroot()
