"""The same deployment as operations of pyinfra."""

from pyinfra import host
from pyinfra.operations import files, git, server, systemd

APP = "/opt/bench-pyinfra"
SHA, PORT = host.data.sha, host.data.port
RELEASE = f"{APP}/releases/{host.data.stamp}"
UNIT = f"""[Service]
Type=exec
User=app
WorkingDirectory={APP}/current
EnvironmentFile={RELEASE}.env
ExecStart=/usr/bin/python3 app.py
[Install]
WantedBy=multi-user.target
"""

files.directory(path=f"{APP}/releases", _sudo=True)
git.bare_repo(path=f"{APP}/repo", _sudo=True)
server.shell(
    name="Fetch and unpack",
    commands=[
        f"git --git-dir {APP}/repo fetch --quiet --prune {host.data.repository}"
        " '+refs/heads/*:refs/heads/*'",
        f"mkdir {RELEASE}",
        f"git --git-dir {APP}/repo archive {SHA} | tar -x -C {RELEASE}",
        f"chown -R app: {RELEASE}",
        f"umask 077; printf 'PORT={PORT}\\nFRAISIER_VERSION={SHA}\\n' > {RELEASE}.env",
    ],
    _sudo=True,
)
server.shell(
    name="Write the unit and switch",
    commands=[
        f"cat > /etc/systemd/system/bench-pyinfra.service <<'UNIT'\n{UNIT}UNIT",
        f"ln -s {RELEASE} {APP}/next && mv -T {APP}/next {APP}/current",
    ],
    _sudo=True,
)
systemd.service(
    service="bench-pyinfra",
    running=True,
    restarted=True,
    enabled=True,
    daemon_reload=True,
    _sudo=True,
)
server.shell(
    name="Wait until it is healthy, then remove the old releases",
    commands=[
        f"for i in $(seq 200); do curl -fsS -o /dev/null http://localhost:{PORT}/health"
        " 2>/dev/null && exit 0; sleep 0.05; done; exit 1",
        f"ls -1d {APP}/releases/*/ | head -n -5 | xargs -r rm -rf",
    ],
    _sudo=True,
)
