"""The form of the documents: links lead somewhere, blocks have a language, records an order."""

from __future__ import annotations

import re

import pytest

from support import pages

PAGES = pages.pages()
RECORDS = sorted((pages.TOP / "docs/decisions").glob("*.md"))
each_page = pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
#: Said by those who sell; nothing in the documents depends on them.
HOLLOW = re.compile(r"\b(simply|seamless\w*|blazing\w*|effortless\w*|powerful|easily)\b", re.I)

GENERATED = re.compile(r"<!-- generated.*?<!-- end -->", re.S)
#: Two paragraphs of a page do not begin with so many words alike; no sentence has so many twice.
BEGINNING, RUN = 8, 7


@each_page
def test_every_link_and_anchor_leads_somewhere(page: pages.Page) -> None:
    for target in page.links():
        file, _, anchor = target.partition("#")
        found = (page.path.parent / file).resolve() if file else page.path
        assert found.exists(), f"{page.name}: {target}"
        assert found.is_relative_to(pages.TOP), f"{page.name}: {target} leaves the repository"
        if anchor:
            assert anchor in pages.Page(found).anchors(), f"{page.name}: {target}"


@each_page
def test_every_block_of_code_says_its_language(page: pages.Page) -> None:
    assert page.text.count("```") % 2 == 0, f"{page.name}: a block does not end"
    for block in page.blocks():
        assert block.language, f"{page.name}:{block.line}: a block without a language"


@each_page
def test_the_prose_is_plain(page: pages.Page) -> None:
    found = HOLLOW.search(page.prose)
    assert found is None, f"{page.name}: {found and found[0]}"
    assert "! " not in page.prose.replace("![", "["), f"{page.name}: an exclamation mark"


def test_every_document_can_be_found_from_the_index() -> None:
    index = pages.page("docs/README.md")
    linked = {(index.path.parent / link.split("#")[0]).resolve() for link in index.links()}
    documents = {page.path for page in PAGES if page.name.startswith("docs/")} - {index.path}
    assert not documents - linked, sorted(map(str, documents - linked))


def test_decision_records_are_numbered_without_gaps() -> None:
    numbers = [path.name[:4] for path in RECORDS]
    assert numbers == [f"{number:04}" for number in range(1, len(RECORDS) + 1)]


@pytest.mark.parametrize("path", RECORDS, ids=[path.name for path in RECORDS])
def test_a_decision_record_has_its_title_and_its_three_parts(path: pages.Path) -> None:
    page = pages.Page(path)
    assert re.match(rf"# {path.name[:4]} \S", page.text), f"begin with: # {path.name[:4]} Title"
    parts = re.findall(r"^## (.+)$", page.text, re.M)
    wanted = ["Context", "Decision", "Consequences"]
    assert [part for part in parts if part in wanted] == wanted


def parts(page: pages.Page) -> list[str]:
    """Return the paragraphs and tables of a page that people wrote, without blocks of code."""
    written = GENERATED.sub("\n\n", page.prose)
    return [part.strip("\n") for part in re.split(r"\n\s*\n", written)]


def twice(things: list[str]) -> set[str]:
    """Return what is there more than once."""
    return {thing for thing in things if thing and things.count(thing) > 1}


@each_page
def test_no_paragraph_is_there_twice(page: pages.Page) -> None:
    words = [part.split() for part in parts(page) if not part.startswith("|")]
    beginnings = [" ".join(each[:BEGINNING]) for each in words if len(each) >= BEGINNING]
    assert not twice(beginnings), page.name


@each_page
def test_no_words_are_there_twice_in_a_paragraph_or_a_list_item(page: pages.Page) -> None:
    """What two edits of one sentence leave behind."""
    for part in parts(page):
        for item in re.split(r"\n(?=- )", part):
            words = re.sub(r"^ *\|.*$", "", item, flags=re.M).split()
            runs = [" ".join(words[at : at + RUN]) for at in range(len(words) - RUN + 1)]
            assert not twice(runs), page.name


@each_page
def test_no_two_rows_of_a_table_are_of_one_thing(page: pages.Page) -> None:
    for part in parts(page):
        rows = re.findall(r"^\| *([^-|\s][^|]*)\|", part, flags=re.M)
        assert not twice([cell.strip() for cell in rows]), page.name
