"""A service in containers on lab hosts that have an engine each."""

from __future__ import annotations

import http.client
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from fraisier.lab import Lab, LabHost
from support.command import Fraisier, Result
from support.compose import APP, docker
from support.host_pool import HostPool
from support.inside import exec_in

BASE = "fraisier-test-base:1"
STATE = "/var/lib/fraisier/compose"
PORT = 8000
#: Python, a shell and what they load, taken from the host, as an image of its own engine. It is a
#: tenth of the host, and an engine that imports it reads and writes all of it.
IMPORT = """
docker image inspect {base} >/dev/null 2>&1 && exit
cd /
programs="usr/bin/python3 bin/sh usr/bin/cat usr/bin/sleep usr/bin/true"
modules=usr/lib/python3.11
libraries=$(ldd $programs $modules/lib-dynload/*.so | awk '$2 == "=>" {{print substr($3, 2)}}')
tar -ch --hard-dereference --exclude=__pycache__ $programs $(echo "$libraries" | sort -u) \
  lib64/ld-linux-x86-64.so.2 $modules etc/passwd etc/group |
  docker import -c 'ENV PATH=/usr/bin:/bin' - {base}
"""
#: What `fraisier setup` makes of a host, as it is before any service has a backend there.
PROXY_FILES = "etc/fraisier-proxy var/lib/fraisier/proxy etc/systemd/system/fraisier-proxy.service"
START_PROXY = (
    "systemctl enable --now fraisier-proxy"
    " || { journalctl --unit fraisier-proxy --lines 30 --no-pager; exit 1; }"
)
WIPE = f"""
docker ps -aq | xargs -r docker rm -f >/dev/null
docker volume ls -q | xargs -r docker volume rm >/dev/null
docker images --format '{{{{.Repository}}}}:{{{{.Tag}}}}' | grep -v {BASE} \
  | xargs -r docker rmi -f >/dev/null
docker network prune -f >/dev/null
rm -rf {STATE} /var/lib/fraisier/ports* /var/lib/fraisier/backups
if [ -d /etc/fraisier-proxy ]; then
  systemctl disable --now fraisier-proxy 2>/dev/null
  cd / && rm -rf {PROXY_FILES}
fi
systemctl daemon-reload
"""
APP_FILE = (
    f"FROM {BASE}\n"
    "COPY app.py version behaviour /app/\n"
    'CMD ["/usr/bin/python3", "-u", "/app/app.py"]\n'
)


def give_base_image(host: LabHost) -> None:
    """Give the engine of a host an image that everything here is made from."""
    exec_in(host.container, "sh", "-ec", IMPORT.format(base=BASE))


def give_proxy(hosts: Hosts) -> None:
    """Prepare the proxies: as a user does the first time, then by the files that came of that."""
    # At the same path here and on all hosts. A proxy of its own knows the service from `setup` on.
    saved = hosts.lab.git / ("front.tar" if hosts.front else "proxy.tar")
    proxies = [hosts.front] if hosts.front else [*hosts.hosts]
    if saved.exists():
        for host in proxies:
            hosts.inside(host, f"tar -C / -x -f {saved} && systemctl daemon-reload")
            hosts.inside(host, START_PROXY)
        return
    done = hosts.run("setup", "my_api", "production", "--yes")
    assert done.code == 0, done.said
    hosts.inside(proxies[0], "mkdir -p /var/lib/fraisier/proxy")
    hosts.inside(proxies[0], f"tar -C / -c -f /var/lib/fraisier-proxy.tar {PROXY_FILES}")
    new = saved.with_suffix(f".{os.getpid()}")
    docker("cp", f"{proxies[0].container}:/var/lib/fraisier-proxy.tar", str(new))
    new.rename(saved)


@dataclass
class Hosts:
    """`my_api production`: one service `api` beside `db`, built on each of some hosts.

    `front` is the host of a proxy that is on none of them.
    """

    lab: Lab
    hosts: Sequence[LabHost]
    folder: Path
    name: str = "shop"
    front: LabHost | None = None
    fraisier: Fraisier = field(init=False)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.fraisier = Fraisier(self.folder)
        shutil.copy(APP, self.folder)
        (self.folder / "Dockerfile").write_text(APP_FILE)
        (self.folder / "settings.env").write_text("GREETING=from-a-file\n")
        self.write("1")
        self.compose()
        self.configure()

    def write(self, version: str, behaviour: str = "good") -> None:
        """Write the sources of a version that behaves so."""
        (self.folder / "version").write_text(version)
        (self.folder / "behaviour").write_text(behaviour)

    def new_version(self, behaviour: str = "good") -> str:
        """Write the sources of a version that was never there before; return its name."""
        version = f"v{next(self._numbers)}"
        self.write(version, behaviour)
        return version

    def compose(self, **api: Any) -> None:
        """Write the Compose file; arguments replace parts of the service, None removes them."""
        service = {
            "build": ".",
            "init": True,
            "ports": [f"{PORT}:8000"],
            "env_file": ["settings.env"],
            "depends_on": ["db"],
            **api,
        }
        data = {"image": BASE, "command": ["sleep", "infinity"], "init": True}
        document = {
            "services": {
                "api": {name: value for name, value in service.items() if value is not None},
                "db": {**data, "volumes": ["data:/data"]},
            },
            "volumes": {"data": {}},
        }
        (self.folder / "docker-compose.yml").write_text(yaml.safe_dump(document))

    def configure(self, environment: dict[str, Any] | None = None, **provider: Any) -> None:
        """Write fraises.yaml; arguments replace parts of the provider's configuration."""
        config = {
            "hosts": [
                {"hostname": host.address, "username": "deploy", "ssh_key_path": str(self.lab.key)}
                for host in self.hosts
            ],
            "known_hosts": str(self.lab.known_hosts),
            "docker_compose_file": "./docker-compose.yml",
            "service": "api",
            "project_name": self.name,
            "health_check": {"type": "http", "url": f"http://127.0.0.1:{PORT}/health"},
            **provider,
        }
        production = {
            "provider": "docker_compose",
            "strategy": "rolling",
            "strategy_config": {"healthy_deadline": 8},
            "provider_config": {k: v for k, v in config.items() if v is not None},
            **(environment or {}),
        }
        fraise = {"git_repo": "./", "environments": {"production": production}}
        document = {"fraises": {"my_api": fraise}}
        (self.folder / "fraises.yaml").write_text(yaml.safe_dump(document))

    def run(self, *words: str, **environment: str) -> Result:
        """Run `fraisier WORDS my_api production`, options after them."""
        return self.fraisier(*words, **environment)

    def deploy(self, *options: str, **environment: str) -> Result:
        """Run `fraisier deploy my_api production`."""
        return self.fraisier("deploy", "my_api", "production", *options, **environment)

    def good(self, *options: str, **environment: str) -> Result:
        """Deploy, and see that it succeeded."""
        result = self.deploy(*options, **environment)
        assert result.code == 0, result.said
        return result

    def last(self) -> dict[str, Any]:
        """Return the newest deployment as the history has it."""
        found = self.fraisier("--json", "history", "my_api", "production", "--limit", "1").json
        deployment: dict[str, Any] = found["deployments"][0]
        return deployment

    def answers(self, port: int = PORT) -> list[dict[str, Any] | None]:
        """Return what a client of each host is told; None without a good answer."""
        return [asked(host.address, port) for host in self.hosts]

    def served(self, port: int = PORT) -> list[str | None]:
        """Return the version that each host answers with."""
        return [found["version"] if found else None for found in self.answers(port)]

    def inside(self, host: LabHost, command: str) -> str:
        """Run a shell command on the host as root, from inside, and return what it says."""
        return exec_in(host.container, "sh", "-c", command).strip()

    def colours(self, host: LabHost) -> dict[str, Any]:
        """Return the record of the colours on a host."""
        text = self.inside(host, f"cat $(find {STATE} -name colours.json)")
        found: dict[str, Any] = json.loads(text)
        return found

    def containers(self, host: LabHost) -> dict[str, str]:
        """Return the project's containers that run, by service: their ids."""
        label = '{{.Label "com.docker.compose.service"}} {{.ID}}'
        said = self.inside(
            host,
            f"docker ps --no-trunc --filter label=com.docker.compose.project={self.name} "
            f"--format '{label}'",
        )
        return dict(line.split() for line in said.splitlines())

    def wipe(self) -> None:
        """Remove everything of it from the hosts; the base image and a proxy without work stay."""
        for host in (*self.hosts, *([self.front] if self.front else [])):
            self.inside(host, WIPE)


@contextmanager
def leased(pool: HostPool, count: int, folder: Path, name: str = "shop") -> Iterator[Hosts]:
    """Lease hosts for a project; everything of it is removed from them afterwards."""
    folder.mkdir(exist_ok=True)
    with pool.lease(count) as chosen:
        hosts = Hosts(pool.lab, chosen, folder, name)
        try:
            yield hosts
        finally:
            hosts.wipe()


def asked(address: str, port: int = PORT) -> dict[str, Any] | None:
    """Return what a service says of itself; None without a good answer."""
    connection = http.client.HTTPConnection(address, port, timeout=2)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    found: dict[str, Any] | None = json.loads(body) if response.status == 200 else None
    return found
