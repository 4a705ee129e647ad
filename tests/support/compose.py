"""A service in containers on this machine's engine: its project, and what is true of it."""

from __future__ import annotations

import ctypes
import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fraisier.lab import daemon, image, place
from fraisier.lab.recipe import Recipe
from support.command import Fraisier, Result

APP = Path(__file__).parent / "compose_app" / "app.py"
STATE = Path("/var/lib/fraisier/compose")
REGISTRY = "fraisier-test-registry"
REGISTRY_FILE = """FROM {base}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends docker-registry
RUN printf '%s\\n' 'version: 0.1' 'storage: {{filesystem: {{rootdirectory: /images}}}}' \\
  'http: {{addr: ":5000"}}' > /registry.yml
CMD ["docker-registry", "serve", "/registry.yml"]
"""
APP_FILE = (
    'FROM {base}\nCOPY app.py version behaviour /app/\nCMD ["python3", "-u", "/app/app.py"]\n'
)


def docker(*arguments: str, check: bool = True, stdin: str = "") -> str:
    """Run docker and return what it says."""
    done = subprocess.run(
        ["docker", *arguments], input=stdin, capture_output=True, text=True, check=False
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.strip()


def base_image() -> str:
    """Return an image with Python: that of the lab's hosts, made when it is missing."""
    with place.one_at_a_time(lambda _line: None):
        daemon.ensure_running(place.daemon_log(), lambda _line: None)
        return image.ensure(Recipe(), lambda _line: None)


def free_port() -> int:
    """Return a port of loopback that nobody has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass
class Project:
    """`my_api development`: one service `api` beside a service `db`, in a folder of its own."""

    folder: Path
    name: str
    base: str
    port: int = field(default_factory=free_port)
    fraisier: Fraisier = field(init=False)

    def __post_init__(self) -> None:
        self.fraisier = Fraisier(self.folder)
        shutil.copy(APP, self.folder)
        (self.folder / "Dockerfile").write_text(APP_FILE.format(base=self.base))
        self.write("1")
        self.compose()
        self.configure()

    def write(self, version: str, behaviour: str = "good") -> None:
        """Write the sources of a version that behaves so."""
        (self.folder / "version").write_text(version)
        (self.folder / "behaviour").write_text(behaviour)

    def compose(self, **api: Any) -> None:
        """Write the Compose file; arguments replace parts of the service, None removes them."""
        service = {
            "build": ".",
            "init": True,
            "ports": [f"127.0.0.1:{self.port}:8000"],
            "environment": {"GREETING": "${GREETING:-hello}"},
            "depends_on": ["db"],
            **api,
        }
        data = {"image": self.base, "command": ["sleep", "infinity"], "init": True}
        document = {
            "services": {
                "api": {name: value for name, value in service.items() if value is not None},
                "db": {**data, "volumes": ["data:/data"]},
                "other": data,
            },
            "volumes": {"data": {}},
        }
        (self.folder / "docker-compose.yml").write_text(yaml.safe_dump(document))

    def configure(self, environment: dict[str, Any] | None = None, **provider: Any) -> None:
        """Write fraises.yaml; arguments replace parts of the provider's configuration."""
        config = {
            "docker_compose_file": "./docker-compose.yml",
            "service": "api",
            "project_name": self.name,
            "health_check": {"type": "http", "url": f"http://127.0.0.1:{self.port}/health"},
            **provider,
        }
        development = {
            "provider": "docker-compose",
            "strategy_config": {"healthy_deadline": 6},
            "provider_config": {k: v for k, v in config.items() if v is not None},
            **(environment or {}),
        }
        fraise = {"git_repo": "./", "environments": {"development": development}}
        document = {"fraises": {"my_api": fraise}}
        (self.folder / "fraises.yaml").write_text(yaml.safe_dump(document))

    def deploy(self, *options: str, **environment: str) -> Result:
        """Run `fraisier deploy my_api development`."""
        return self.fraisier("deploy", "my_api", "development", *options, **environment)

    def good(self, *options: str, **environment: str) -> Result:
        """Deploy, and see that it succeeded."""
        result = self.deploy(*options, **environment)
        assert result.code == 0, result.said
        return result

    def last(self) -> dict[str, Any]:
        """Return the newest deployment as the history has it."""
        found = self.fraisier("--json", "history", "my_api", "development", "--limit", "1").json
        deployment: dict[str, Any] = found["deployments"][0]
        return deployment

    def answer(self) -> dict[str, Any] | None:
        """Return what a client of the service is told; None without a good answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
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

    def served(self) -> str | None:
        """Return the version that answers; None when none does."""
        found = self.answer()
        return found["version"] if found else None

    def by_hand(self, *arguments: str) -> str:
        """Run `docker compose` as a person would, in the project's folder."""
        file = str(self.folder / "docker-compose.yml")
        return docker("compose", "--project-name", self.name, "--file", file, *arguments)

    def containers(self, service: str = "api") -> dict[str, str]:
        """Return the containers of a service, those that are stopped too: name to id."""
        label = f"label=com.docker.compose.project={self.name}"
        mine = ("--filter", label, "--filter", f"label=com.docker.compose.service={service}")
        lines = docker("ps", "--all", "--no-trunc", *mine, "--format", "{{.Names}} {{.ID}}")
        return dict(line.split() for line in lines.splitlines())

    def image(self) -> str:
        """Return the content that the service's one container runs."""
        (container,) = self.containers().values()
        return docker("inspect", "--format", "{{.Image}}", container)

    def kept(self) -> list[str]:
        """Return the tags by which images of releases are kept."""
        return docker("images", "--format", "{{.Tag}}", f"fraisier/{self.name}-api").split()

    def releases(self) -> list[dict[str, Any]]:
        """Return the records of releases, oldest first."""
        files = sorted((STATE / self.name / "api/releases").glob("*.json"))
        return [json.loads(file.read_text()) for file in files]

    def remove(self) -> None:
        """Remove everything of it from the engine and this machine."""
        label = f"label=com.docker.compose.project={self.name}"
        for kind, words in (("container", ("--all",)), ("volume", ()), ("network", ())):
            found = docker(kind, "ls", *words, "--quiet", "--filter", label).split()
            force = ("--force",) if kind == "container" else ()
            if found:
                docker(kind, "rm", *force, *found)
        named = [f"fraisier/{self.name}-api", f"{self.name}-api"]
        refs = [docker("images", "--format", "{{.Repository}}:{{.Tag}}", name) for name in named]
        for reference in " ".join(refs).split():
            docker("rmi", "--force", reference, check=False)
        shutil.rmtree(STATE / self.name, ignore_errors=True)


@dataclass(frozen=True)
class Registry:
    """A registry of this machine, at an address of loopback."""

    address: str

    @classmethod
    def start(cls, name: str, base: str, *more: str) -> Registry:
        """Start one, and return it when it answers."""
        file = REGISTRY_FILE.format(base=base)
        tag = f"{REGISTRY}:{base.rpartition(':')[2]}"
        docker("build", "--quiet", "--tag", tag, "-", stdin=file)
        port = free_port()
        published = f"127.0.0.1:{port}:5000"
        more = ("--publish", published, "--tmpfs", "/images", *more)
        docker("run", "--detach", "--rm", "--name", name, *more, tag)
        deadline = time.monotonic() + 20
        while not _answers(port):
            assert time.monotonic() < deadline, "the registry never answered"
            time.sleep(0.05)
        return cls(f"127.0.0.1:{port}")

    @classmethod
    def private(cls, name: str, base: str, folder: Path, user: str, password: str) -> Registry:
        """Start one that wants a login, and push to it with that."""
        word = hashed(password)
        (folder / "htpasswd").write_text(f"{user}:{word}\n")
        wanted = {
            "REGISTRY_AUTH": "htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM": "test",
            "REGISTRY_AUTH_HTPASSWD_PATH": "/login/htpasswd",
        }  # fmt: skip
        more = [word for key in wanted for word in ("--env", f"{key}={wanted[key]}")]
        return cls.start(name, base, *more, "--volume", f"{folder}:/login:ro")

    @staticmethod
    def stop(name: str) -> None:
        """Remove the registry of this name, and what was pulled from it."""
        published = docker("port", name, "5000", check=False)
        docker("rm", "--force", name, check=False)
        if published:
            pulled = f"{published}/my-org/api"
            for image in docker("images", "--quiet", "--no-trunc", pulled).split():
                docker("rmi", "--force", image, check=False)

    def push(self, project: Project, tag: str, version: str, behaviour: str = "good") -> str:
        """Push an image of a version under a tag, leave no copy here; return its reference."""
        reference = f"{self.address}/my-org/api:{tag}"
        project.write(version, behaviour)
        docker("build", "--quiet", "--tag", reference, str(project.folder))
        docker("push", "--quiet", reference)
        docker("rmi", reference)
        return reference


def hashed(password: str) -> str:
    """Return a password as the one kind of htpasswd that a registry reads: bcrypt."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    found: bytes = library.crypt(password.encode(), b"$2b$05$" + b"abcdefghijklmnopqrstuu")
    return found.decode()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status in (200, 401)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


PYTHON_FILE = """FROM {base}
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
RUN python3 -m venv /opt/python
ENV PATH=/opt/python/bin:$PATH PIP_CERT=/etc/ssl/certs/ca-certificates.crt
"""


@contextmanager
def image_of_python(tag: str, base: str, folder: Path) -> Iterator[None]:
    """Give this engine an image that has `python` and `pip`, where the real one is not here."""
    if docker("images", "--quiet", tag):
        yield
        return
    folder.mkdir()
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", folder)
    (folder / "Dockerfile").write_text(PYTHON_FILE.format(base=base))
    docker("build", "--quiet", "--tag", tag, str(folder))
    try:
        yield
    finally:
        docker("rmi", "--force", tag)
