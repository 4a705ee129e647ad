"""The documents as the tests read them: their text, blocks, links and anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^ *```$", re.M | re.S)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.M)


@dataclass(frozen=True)
class Block:
    """A block of code in a document; `line` counts from 1."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        """Return the path as people write it."""
        return str(self.path.relative_to(TOP))

    @cached_property
    def text(self) -> str:
        """Return the whole file."""
        return self.path.read_text()

    @property
    def prose(self) -> str:
        """Return the text without its blocks of code."""
        return FENCE.sub("", self.text)

    def blocks(self, language: str | None = None) -> Iterator[Block]:
        """Yield the blocks of code, of one language or all."""
        for found in FENCE.finditer(self.text):
            line = self.text.count("\n", 0, found.start()) + 1
            if language in (None, found["language"]):
                yield Block(found["language"], found["text"], line)

    def anchors(self) -> set[str]:
        """Return the anchors of its headings, as GitHub makes them."""
        made: set[str] = set()
        for heading in HEADING.findall(self.prose):
            plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            count = sum(1 for known in made if re.fullmatch(rf"{re.escape(plain)}(-\d+)?", known))
            made.add(f"{plain}-{count}" if count else plain)
        return made

    def links(self) -> list[str]:
        """Return every link that does not leave the repository."""
        targets = [found["target"] for found in LINK.finditer(self.prose)]
        return [target for target in targets if not re.match(r"[a-z]+:", target)]

    def row(self, word: str) -> bool:
        """True where a row of a table begins with this word, as code or plain."""
        return bool(
            re.search(rf"^\| [^|]*(?<!\w)`?{re.escape(word)}`?(?!\w)[^|]*\|", self.text, re.M)
        )


def pages() -> list[Page]:
    """Return every document that this project writes by hand."""
    own = [TOP / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    found = [*own, *(TOP / "docs").rglob("*.md"), *(TOP / "inventories").rglob("*.md")]
    collection = TOP / "collections/ansible_collections/fraisier/deploy"
    return [Page(path) for path in sorted({*found, *collection.rglob("README.md")})]


def page(name: str) -> Page:
    """Return one document by its path."""
    return Page(TOP / name)
