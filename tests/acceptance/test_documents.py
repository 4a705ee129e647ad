"""What the documents tell their readers to type works, on a real host."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from documents import TOP, Session

from fraisier.config import load
from support.pages import Block, Page, pages
from support.target import Target

EXAMPLE = TOP / "docs/examples/simple-web-service"
PAGES = [page for page in pages() if next(page.blocks("bash"), None)]
#: What is about containers is run by test_compose_documents.py.
QUICK_START = TOP / "docs/GETTING_STARTED_SQLITE.md"
CONTAINERS = "my_api development"
#: test_in_place.py runs it, beside the service that it adopts.
ADOPTING = TOP / "docs/ADOPTING.md"
GUIDES = [page for page in PAGES if page.path.parent != EXAMPLE]
#: test_database_documents.py runs these, on the servers that they are about.
DATABASES = [TOP / f"docs/GETTING_STARTED_{name}.md" for name in ("POSTGRES", "MYSQL")]
#: test_release_documents.py runs it, where a backup and a staging are configured.
RELEASES = TOP / "docs/RELEASES.md"
#: test_push_to_deploy.py runs it, with a receiver and a push.
WEBHOOKS = TOP / "docs/WEBHOOK_REFERENCE.md"
#: Blocks of the first document that are word for word in the second are run there only.
REPEATED = {
    "README.md": "docs/PROVIDER_BARE_METAL.md",
    "docs/PROVIDER_BARE_METAL.md": "docs/COLLECTION.md",
}
MANY = pytest.mark.cpu_seconds(60, reason="the document has a dozen runs of Ansible")
OTHERS = (QUICK_START, ADOPTING, RELEASES, WEBHOOKS, *DATABASES)
GUIDES = [page for page in GUIDES if page.path not in OTHERS]
LONG = {"docs/CLI_REFERENCE.md": (MANY, pytest.mark.slow), "docs/PROVIDER_BARE_METAL.md": MANY}


def blocks_of(language: str) -> list[tuple[Page, Block]]:
    """Return every block of a language with its document."""
    return [(page, block) for page in pages() for block in page.blocks(language)]


def is_whole(text: str) -> bool:
    """True for YAML that is a whole fraises.yaml."""
    data = yaml.safe_load(text)
    return isinstance(data, dict) and "fraises" in data


def name_of(value: object) -> str:
    """Return how a document or a place in it is called in a report."""
    return value.name if isinstance(value, Page) else str(getattr(value, "line", value))


WHOLE = [(page, block) for page, block in blocks_of("yaml") if is_whole(block.text)]
UNITS = [(page, block) for page, block in blocks_of("ini") if "ExecStart=" in block.text]


@pytest.mark.parametrize(
    "page", [pytest.param(each, marks=LONG.get(each.name, ())) for each in GUIDES], ids=name_of
)
def test_the_shell_blocks_of_a_document_work(page: Page, target: Target, home: Path) -> None:
    older = target.repository.commit("good", {"note": "older"})
    target.repository.commit("good", {"note": "newer"})
    session = Session.create(target, home)
    if "fraisier rollback" in page.text:
        assert target.deploy("--version", older).code == 0
    done = session.run(own_blocks(page), OLDER_VERSION=older)
    assert done.returncode == 0, f"{page.name}\n{done.stdout}\n{done.stderr}"


def test_the_example_works_as_its_readme_says(target: Target, home: Path) -> None:
    files = {name: (EXAMPLE / name).read_text() for name in ("app.py", "requirements.txt")}
    sha = target.repository.commit("the example", files)
    shutil.copy(EXAMPLE / "fraises.yaml", target.folder)
    (target.folder / ".env").write_text(filled_in(target))
    blocks = [text for text in shell(Page(EXAMPLE / "README.md")) if CONTAINERS not in text]
    done = Session.create(target, home).run(blocks)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert target.served(target.hosts[0]) == sha


def filled_in(target: Target) -> str:
    """Return .env.example as a reader who has this host would leave it."""
    mine = {
        "WEB_HOST": target.hosts[0].address,
        "WEB_SSH_KEY": str(target.lab.key),
        "WEB_KNOWN_HOSTS": str(target.lab.known_hosts),
        "GIT_REPO": str(target.repository.path),
    }
    lines = (EXAMPLE / ".env.example").read_text().splitlines()
    kept = [line for line in lines if line.lstrip("# ").split("=")[0] not in mine]
    return "\n".join([*kept, *(f"{name}={value}" for name, value in mine.items()), ""])


def shell(page: Page) -> Sequence[str]:
    """Return the text of a document's shell blocks."""
    return [block.text for block in page.blocks("bash")]


def own_blocks(page: Page) -> Sequence[str]:
    """Return the shell blocks of a document, without those that are run in another one."""
    if page.name not in REPEATED:
        return shell(page)
    other = own_blocks(Page(TOP / REPEATED[page.name]))
    elsewhere = {each for block in other for each in lines(block)}
    own = [block for block in shell(page) if not elsewhere.issuperset(lines(block))]
    assert 0 < len(own) < len(shell(page)), f"{page.name} repeats nothing, or everything"
    return own


def lines(block: str) -> list[str]:
    """Return the commands of a block, each on one line with single spaces."""
    return [" ".join(line.split()) for line in block.replace("\\\n", " ").splitlines()]


def test_a_block_that_is_left_out_is_run_elsewhere() -> None:
    for name, other in REPEATED.items():
        assert (TOP / other) in [page.path for page in GUIDES], f"{other} is run"
        assert own_blocks(Page(TOP / name))
    assert own_blocks(Page(TOP / "docs/COLLECTION.md")) == shell(Page(TOP / "docs/COLLECTION.md"))


@pytest.mark.parametrize(("page", "block"), WHOLE, ids=name_of)
def test_a_whole_configuration_in_a_document_is_valid(
    page: Page, block: Block, tmp_path: Path
) -> None:
    file = tmp_path / "fraises.yaml"
    file.write_text(block.text)
    assert load(str(file)).targets(), f"{page.name}:{block.line}"


def test_a_unit_in_a_document_is_one_that_systemd_takes(target: Target) -> None:
    host = target.hosts[0]
    folder = target.inside(host, "mktemp -d")
    assert UNITS
    for page, block in UNITS:
        text = re.sub(
            r"/opt/my-api/(current/.venv/bin/python|bin/start.sh)", "/usr/bin/true", block.text
        )
        write = f"cat > {folder}/my-api.service <<'END'\n{text}END\n"
        said = target.inside(
            host, f"{write}systemd-analyze verify {folder}/my-api.service 2>&1 || true"
        )
        assert "my-api.service" not in said, f"{page.name}:{block.line}\n{said}"
