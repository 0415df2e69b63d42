"""The site builds in strict mode, and its pages load nothing from other hosts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOREIGN = re.compile(r'<(?:script|img|iframe|source|link rel="(?:stylesheet|preload|preconnect|icon))\b[^>]*"https?://')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    program = Path(sys.prefix) / "bin" / "mkdocs"
    done = subprocess.run(
        [program, "build", "--strict", "--site-dir", folder],
        cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_in_the_menu_and_on_the_site(site: Path):
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} | {"index", "contributing", "changelog"}
    assert {path.stem for path in site.glob("*.html")} >= pages
    menu = (site / "index.html").read_text()
    assert [page for page in sorted(pages) if f'href="{page}.html"' not in menu] == []


def test_no_page_loads_anything_from_elsewhere(site: Path):
    found = {path.name: FOREIGN.findall(path.read_text()) for path in site.glob("*.html")}
    assert {name: links for name, links in found.items() if links} == {}
