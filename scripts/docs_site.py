"""What `mkdocs.yml` hooks in: pages that live at the root of the repository, and a menu of the pages that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
AT_THE_ROOT = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
}
"""Pages by what they are called on the site, and the files that people look for at the root of a repository."""
_LINK = re.compile(r"(\]\(|(?:src|srcset|href)=\")([^)\"#\s]+)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave out of the menu what does not exist, and put what it does not name at its end."""
    named = set(_pages(config.nav or []))
    others = [{_title(path): path.name} for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in named]
    config.nav = _existing([*(config.nav or []), {"More": others}])
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that live at the root, with links that lead to the same places."""
    for page, source in AT_THE_ROOT.items():
        if (ROOT / source).exists():
            text = (ROOT / source).read_text(encoding="utf-8")
            files.append(File.generated(config, page, content=_LINK.sub(_moved, text)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let pages lead to the root's files, as they do in the repository."""
    return _LINK.sub(_moved, markdown)


def _moved(match: re.Match[str]) -> str:
    target = match[2].removeprefix("docs/").removeprefix("../")
    pages = {source: page for page, source in AT_THE_ROOT.items()}
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
    return (ROOT / "docs" / page).exists() or (ROOT / AT_THE_ROOT.get(page, "-")).exists()
