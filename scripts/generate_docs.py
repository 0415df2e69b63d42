"""Update the generated parts of docs/*.md from the code; `make docs` runs this.

A generated part is between `<!-- generated: NAME -->` and `<!-- end -->`; the rest of a page is written by hand. With
`--check`, pages that are out of date are listed, nothing is written, and the exit code is 1.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
_PART = re.compile(r"(<!-- generated: (?P<name>[^\n]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def update_parts(text: str) -> str:
    """Return a page with its generated parts updated.

    Raises:
        SystemExit: if a page names an unknown part.
    """
    from docs_parts import part

    return _PART.sub(lambda match: f"{match[1]}\n{part(match['name'])}\n\n{match[3]}", text)


def main(arguments: list[str]) -> int:
    """Write or check every page."""
    outdated = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["AIRFLOW_HOME"] = home  # importing the API makes Airflow write its configuration
        for page in sorted(DOCS.glob("*.md")):
            text = page.read_text(encoding="utf-8")
            new = update_parts(text)
            if new != text:
                outdated.append(page.name)
                if "--check" not in arguments:
                    page.write_text(new, encoding="utf-8")
    for name in outdated:
        print(f"docs/{name}: {'is out of date; run: make docs' if '--check' in arguments else 'written'}")
    return int("--check" in arguments and bool(outdated))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
