"""MkDocs hooks: add the pages at the root of the repository, and complete the menu."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
ROOT_PAGES = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
    "code_of_conduct.md": "CODE_OF_CONDUCT.md",
}
"""Pages of the site whose source is at the root of the repository."""
_LINK = re.compile(r"(\]\(|(?:src|srcset|href)=\")([^)\"#\s]+)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Remove pages that do not exist from the menu, and append pages that it does not name."""
    named = set(_pages(config.nav or []))
    others = [{_title(path): path.name} for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in named]
    config.nav = _existing([*(config.nav or []), {"More": others}])
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages at the root, with their links adjusted."""
    for page, source in ROOT_PAGES.items():
        if (ROOT / source).exists():
            text = (ROOT / source).read_text(encoding="utf-8")
            files.append(File.generated(config, page, content=_LINK.sub(_adjust_link, text)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Adjust links to files at the root of the repository."""
    return _LINK.sub(_adjust_link, markdown)


def _adjust_link(match: re.Match[str]) -> str:
    target = match[2].removeprefix("docs/").removeprefix("../")
    pages = {source: page for page, source in ROOT_PAGES.items()}
    return match[1] + pages.get(target, match[2].removeprefix("docs/"))


def _existing(entries: list[Any]) -> list[Any]:
    kept = []
    for entry in entries:
        ((title, inside),) = entry.items()
        inside = _existing(inside) if isinstance(inside, list) else inside
        if inside and (isinstance(inside, list) or _exists(inside)):
            kept.append({title: inside})
    return kept


def _pages(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        for inside in entry.values():
            yield from _pages(inside) if isinstance(inside, list) else [inside]


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _exists(page: str) -> bool:
    return (ROOT / "docs" / page).exists() or (ROOT / ROOT_PAGES.get(page, "-")).exists()
