"""Every page has its pictures, wide and narrow, light and dark, and the documentation shows them."""

from __future__ import annotations

import re
import sys
from itertools import product
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from PIL import Image

from gmail_warmup.web.app import create_app

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
sys.path.insert(0, str(ROOT / "scripts"))

from screenshots import MODES, PAGES, WIDTHS  # noqa: E402

FORMS = {f"{suffix}-{mode}": width for (suffix, width), mode in product(WIDTHS.items(), MODES)}
PICTURES = {path.stem: path for path in IMAGES.glob("*.png")}
NAMES = sorted({re.sub(f"({'|'.join(WIDTHS)})-({'|'.join(MODES)})$", "", stem) for stem in PICTURES})


def test_every_route_of_a_page_has_a_picture():
    routes = (route for route in create_app().routes if isinstance(route, APIRoute))
    pages = {route.path for route in routes if "GET" in (route.methods or ()) and not route.path.startswith("/api/")}
    assert set(PAGES) == pages
    assert set(PAGES.values()) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_wide_and_narrow_light_and_dark(name: str):
    widths = {form: Image.open(IMAGES / f"{name}{form}.png").width for form in FORMS}
    assert widths == FORMS


def test_the_documentation_shows_every_picture_and_no_other():
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    shown = set(re.findall(r"\(images/([^)]+)\.png\)", text))
    assert shown == set(PICTURES)
