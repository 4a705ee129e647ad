"""A service that a team has put on a lab host by hand: a checkout, a unit, files of its own."""

from __future__ import annotations

import subprocess
from importlib.metadata import distribution
from pathlib import Path

from fraisier.lab import LabHost
from support.repository import Repository, git
from support.target import APP_PATH, UNIT, Target, until

APP = Path(__file__).parent / "flask_app"
#: Flask and what it needs, as they are installed here: all of them run as plain Python.
PACKAGES = ("flask", "werkzeug", "jinja2", "markupsafe", "click", "itsdangerous", "blinker")
LIBRARIES = "/usr/local/lib/flask-by-hand"
UNIT_TEXT = f"""\
[Unit]
Description=My API, set up by hand in 2019
After=network.target

[Service]
User=deploy
ExecStart={APP_PATH}/bin/start.sh
Restart=on-failure
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


def commit(repository: Repository, behaviour: str = "good", note: str = "") -> str:
    """Commit a version of the team's application; return its SHA."""
    (repository.work / "bin").mkdir(exist_ok=True)
    for source, name in (("app.py", "app.py"), ("bin/start.sh", "bin/start.sh"),
                         ("gitignore", ".gitignore")):  # fmt: skip
        (repository.work / name).write_text((APP / source).read_text())
    (repository.work / "bin/start.sh").chmod(0o755)
    (repository.work / "behaviour").write_text(f"{behaviour}\n")
    (repository.work / "note").write_text(note)
    git("add", "--all", cwd=repository.work)
    git("commit", "--quiet", "--allow-empty", "--message", behaviour, cwd=repository.work)
    git("push", "--quiet", "origin", "HEAD:main", cwd=repository.work)
    return git("rev-parse", "HEAD", cwd=repository.work)


def install_flask(host: LabHost) -> None:
    """Bring the packages of this very environment to a host, where no index can be reached."""
    here = Path(str(distribution("flask").locate_file("")))
    files = [file for name in PACKAGES for file in distribution(name).files or ()]
    folders = sorted({file.parts[0] for file in files if file.parts[0] != ".."})
    packed = subprocess.run(
        ["tar", "-c", "--exclude=__pycache__", "-C", str(here), *folders],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    unpack = f"mkdir -p {LIBRARIES} && tar -x -C {LIBRARIES}"
    subprocess.run(
        ["docker", "exec", "--interactive", host.container, "sh", "-c", unpack],
        input=packed, check=True,
    )  # fmt: skip


def put_there_by_hand(target: Target, unit: str = UNIT_TEXT) -> str:
    """Do on the host what the team once did; return the commit that serves."""
    (host,) = target.hosts
    found = commit(target.repository, note="as it was before Fraisier")
    install_flask(host)
    target.inside(host, f"cat > /etc/systemd/system/{UNIT} <<'END'\n{unit}END")
    target.inside(host, f"install -d -o deploy -g deploy {APP_PATH}")
    as_deploy(target, f"git clone --quiet {target.repository.path} {APP_PATH}")
    local = f"export PYTHONPATH={LIBRARIES}"
    as_deploy(target, f"cd {APP_PATH} && echo '{local}' > local.env && echo mine > notes.txt")
    target.inside(host, f"systemctl daemon-reload && systemctl enable --now {UNIT}")
    until(lambda: target.served(host) == found)
    return found


def as_deploy(target: Target, command: str) -> str:
    """Run a shell command on the host as the user `deploy`."""
    quoted = command.replace("'", "'\\''")
    return target.inside(target.hosts[0], f"runuser -u deploy -- sh -c '{quoted}'")
