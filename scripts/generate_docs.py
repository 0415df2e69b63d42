"""Write the generated parts of docs/*.md anew from the code; `make docs` runs it.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`; everything around it is written by hand. With
`--check` nothing is written: each page that is out of date is named, and the exit code is 1.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
_PART = re.compile(r"(<!-- generated: (?P<name>[^\n]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def renewed(text: str) -> str:
    """Return a page with its generated parts as the code has them now.

    Raises:
        SystemExit: if a page asks for a part that nothing generates.
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
            new = renewed(text)
            if new != text:
                outdated.append(page.name)
                if "--check" not in arguments:
                    page.write_text(new, encoding="utf-8")
    for name in outdated:
        print(f"docs/{name}: {'is out of date; run: make docs' if '--check' in arguments else 'written'}")
    return int("--check" in arguments and bool(outdated))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
