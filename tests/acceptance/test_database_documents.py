"""What the documents about databases tell their readers to type works, on real servers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from documents import NO_REST
from test_documents import DATABASES

from support.command import LIMIT_SECONDS
from support.daemons import free_port
from support.databases import MariadbServer, PostgresServer
from support.fork_commands import ForkCommands
from support.old_records import fill
from support.pages import Page


@pytest.fixture(params=DATABASES, ids=lambda path: path.stem)
def page(request: pytest.FixtureRequest) -> Page:
    """Return each document."""
    return Page(request.param)


@pytest.fixture
def server(page: Page) -> Iterator[PostgresServer | MariadbServer]:
    """Return a server as it was installed, without anybody's users and databases."""
    if "POSTGRES" in page.name:
        fresh: PostgresServer | MariadbServer = PostgresServer()
        fresh.execute("DROP ROLE fraisier")
    else:
        fresh = MariadbServer()
        fresh.execute("DROP USER fraisier@'127.0.0.1'")
    yield fresh
    fresh.close()


def test_the_steps_of_a_document_work_line_by_line(
    page: Page, server: PostgresServer | MariadbServer, tmp_path: Path
) -> None:
    fill(f"sqlite:///{tmp_path / 'fraisier.db'}", "0001")
    (tmp_path / "fraises.yaml").write_text("fraises: {}\n")
    for block in page.blocks("sql"):
        for statement in block.text.split(";\n"):
            if statement.strip():
                server.execute(statement)
    port = "localhost:5432" if isinstance(server, PostgresServer) else "127.0.0.1:3306"
    blocks = [block.text for block in page.blocks("bash")]
    assert any(port in text for text in blocks)
    # Before records are replaced the reader stops what the page has started
    stop = "kill %1; wait %1 || true; sleep 0.2\n"
    growing = next(n for n, text in enumerate(blocks) if "db restore" in text)
    script = "\n".join([*blocks[:growing], stop, *blocks[growing:]])
    commands = ForkCommands.create(tmp_path / "bin")
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", NO_REST + script.replace(port, here(server))],
        stdin=subprocess.DEVNULL,
        cwd=tmp_path,
        env=commands.environ({"HOME": str(tmp_path), "FRAISIER_BIND": f"127.0.0.1:{free_port()}"}),
        pass_fds=[commands.descriptor],
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "6 deployments" in done.stdout
    assert "so the queue is paused" in done.stderr
    assert "choose-a-password" not in done.stdout


def here(server: PostgresServer | MariadbServer) -> str:
    """Return where a server listens."""
    return f"127.0.0.1:{server.port}"
