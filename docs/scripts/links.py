"""The links of the pages: dead ones inside the repository, and those that lead outside.

    python docs/scripts/links.py

Lists the links to other sites, which nobody asks whether they are there, and ends with 1 if one inside is dead.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATED = (ROOT / "docs/reference/configuration.md",)  # made when the site is built
_INLINE = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(\s*<?([^)>\s]+)")
_REFERENCE = re.compile(r"^\s*\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
_BARE = re.compile(r"(?<![(\w<\"'])https?://[^\s)>\]`'\"]+")


def main() -> None:
    """Prints both."""
    for link in sorted({link for page in pages() for link in links(page) if is_external(link)}):
        print(link)
    found = dead()
    for line in found:
        print(f"dead: {line}", file=sys.stderr)
    sys.exit(bool(found))


def pages() -> list[Path]:
    """Every page that people read, the README first."""
    beside = [file for folder in (ROOT, ROOT / "benchmarks", ROOT / "examples") for file in sorted(folder.glob("*.md"))]
    tables = sorted((ROOT / "benchmarks/tables").glob("*.md"))
    return [*sorted(beside, key=lambda page: page.name != "README.md"), *tables, *sorted((ROOT / "docs").rglob("*.md"))]


def prose(page: Path) -> str:
    """A page without its code."""
    text = re.sub(
        r"^(\s*)(```+|~~~+).*?^\1\2\s*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    return re.sub(r"`[^`\n]*`", "", text)


def links(page: Path) -> Iterator[str]:
    """The addresses that a page leads to."""
    text = prose(page)
    for pattern in (_INLINE, _REFERENCE):
        yield from pattern.findall(text)
    yield from (found.rstrip(".,;:") for found in _BARE.findall(text) if "//127.0.0.1" not in found)


def is_external(link: str) -> bool:
    """True where a link leads to another site."""
    return re.match(r"[a-z]+:", link) is not None


def dead() -> list[str]:
    """Every link to a file of the repository that is not there, as page and link."""
    found = []
    for page in pages():
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if not is_external(link) and link[0] != "#" and target not in GENERATED and not target.exists():
                found.append(f"{page.relative_to(ROOT)}: {link}")
    return found


if __name__ == "__main__":
    main()
