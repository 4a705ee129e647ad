"""What the documents say about containers works when it is typed as it stands there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from test_documents import CONTAINERS, EXAMPLE, QUICK_START

from support.compose import STATE, base_image, docker, free_port, image_of_python
from support.exclusive import exclusive
from support.pages import TOP, Page
from support.tree import files_of

PYTHON_IMAGE = "python:3.12-slim"
CLONE = '#!/bin/sh\n[ "$*" = "{line}" ] && exec cp -r "{source}" fraisier\nexec {git} "$@"\n'


@pytest.fixture(scope="module", autouse=True)
def python_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have the image that the documents name; images and projects of a name are the machine's."""
    base, kept = base_image(), tmp_path_factory.mktemp("python") / "image"
    with exclusive("compose-documents"), image_of_python(PYTHON_IMAGE, base, kept):
        yield


@pytest.fixture
def cleared() -> Iterator[None]:
    """Remove the projects of the documents afterwards; they are named by their folders."""
    yield
    for name in ("fraisier", "simple-web-service"):
        label = f"label=com.docker.compose.project={name}"
        containers = docker("ps", "--all", "--quiet", "--filter", label).split()
        networks = docker("network", "ls", "--quiet", "--filter", label).split()
        if containers:
            docker("rm", "--force", *containers)
        if networks:
            docker("network", "rm", *networks)
        found = docker("images", "--format", "{{.Repository}}:{{.Tag}}", f"*/{name}-api").split()
        for image in [*found, f"{name}-api"]:
            docker("rmi", "--force", image, check=False)
        shutil.rmtree(STATE / name, ignore_errors=True)


def run(
    blocks: Sequence[str], folder: Path, path: Sequence[Path], variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run blocks in one bash, which ends at the first line that fails."""
    return subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", "\n".join(blocks)],
        stdin=subprocess.DEVNULL,
        cwd=folder,
        env={
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PATH": ":".join([*map(str, path), os.environ["PATH"]]),
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.cpu_seconds(40, reason="types a page of commands, each of which is executed")
def test_the_quick_start_works_line_by_line(tmp_path: Path, cleared: None) -> None:
    page, port = Page(QUICK_START), str(free_port())
    install, *later = [block.text for block in page.blocks("bash")]
    files = [block.text for block in page.blocks("yaml")]
    tools = environment(tmp_path)
    copy_of_this_tree(tmp_path / "source")
    (tools / "git").write_text(
        CLONE.format(
            line="clone https://github.com/your-org/fraisier.git",
            source=tmp_path / "source",
            git=shutil.which("git"),
        )
    )
    (tools / "git").chmod(0o755)
    write = [
        f"cat > {name} <<'END'\n{text.replace('127.0.0.1:8000', f'127.0.0.1:{port}')}END"
        for name, text in zip(("fraises.yaml", "docker-compose.yml"), files, strict=True)
    ]
    first = next(at for at, text in enumerate(later) if "fraisier list" in text)
    blocks = [install, *later[:first], *write, *later[first:]]
    ask = f"curl --fail --silent --output /dev/null http://localhost:{port}"
    done = run([*blocks, ask], tmp_path, [tools], {})
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "docker_compose" in done.stdout
    assert "success" in done.stdout
    assert "nothing was changed" in done.stdout
    assert (tmp_path / "fraisier/fraisier.db").is_file()


def environment(folder: Path) -> Path:
    """Return the programs of a new environment that has what Fraisier depends on, and not it."""
    made = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made], check=True)
    packages = next(made.glob("lib/python*/site-packages"))
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        ours = "fraisier" in entry.name or entry.suffix == ".pth"
        if not ours and not (packages / entry.name).exists():
            (packages / entry.name).symlink_to(entry)
    for program in ("ansible-playbook", "ansible-vault", "pip"):
        text = Path(sys.executable).with_name(program).read_text().split("\n", 1)[1]
        (made / "bin" / program).write_text(f"#!{made}/bin/python\n{text}")
        (made / "bin" / program).chmod(0o755)
    return made / "bin"


def copy_of_this_tree(folder: Path) -> None:
    """Copy what belongs to the repository."""
    for name in files_of(TOP):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / name, target, follow_symlinks=False)


def test_the_example_runs_in_a_container_as_its_readme_says(tmp_path: Path, cleared: None) -> None:
    folder, port = tmp_path / "simple-web-service", str(free_port())
    shutil.copytree(EXAMPLE, folder)
    file = folder / "docker-compose.yml"
    file.write_text(file.read_text().replace("127.0.0.1:8000", f"127.0.0.1:{port}"))
    blocks = [block.text for block in Page(EXAMPLE / "README.md").blocks("bash")]
    wanted = [text.replace(":8000", f":{port}") for text in blocks if CONTAINERS in text]
    assert wanted
    done = run(wanted, folder, [Path(sys.executable).parent], {})
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert '"status":"ok"' in done.stdout
