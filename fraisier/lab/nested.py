"""Lab hosts with a Docker engine of their own: the image, and what their containers may."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fraisier.domain.errors import LabError
from fraisier.lab.engine import INSTALL_HINT, docker
from fraisier.lab.model import Say

BUILD_SECONDS = 900
PLUGIN = "/usr/libexec/docker/cli-plugins/docker-compose"
#: Where Docker's client looks for its plugins.
PLUGINS = (
    "/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins",
)  # fmt: skip
FILE = """FROM {base}
RUN apt-get update -qq \\
  && apt-get install -y -qq --no-install-recommends docker.io iptables haproxy \\
  && systemctl disable haproxy \\
  && mkdir -p {folder} && apt-get clean && rm -rf /var/lib/apt/lists/*
CMD ["/sbin/init"]
"""


def ensure(base: str, say: Say) -> str:
    """The tag of the image of such hosts, built on that of all hosts where it is not there."""
    file = FILE.format(base=base, folder=Path(PLUGIN).parent)
    tag = f"fraisier-lab-engine:{hashlib.sha256(file.encode()).hexdigest()[:12]}"
    if not docker("images", "--quiet", tag).strip():
        say(f"adding a Docker engine to the lab's host image: {tag}, once per machine")
        docker("build", "--quiet", "--tag", tag, "-", stdin=file.encode(), timeout=BUILD_SECONDS)
    return tag


def flags() -> tuple[str, ...]:
    """What `docker create` needs for it; the plugin for Compose 2 is this machine's own."""
    return (
        *("--cap-add", "NET_ADMIN", "--cap-add", "MKNOD"),
        *("--volume", "/var/lib/docker"),
        *("--volume", f"{plugin()}:{PLUGIN}:ro"),
    )


def plugin() -> Path:
    """The plugin of this machine for Compose 2; LabError where there is none."""
    own = Path("~/.docker/cli-plugins").expanduser()
    for folder in (own, *map(Path, PLUGINS)):
        if (folder / "docker-compose").is_file():
            return folder / "docker-compose"
    raise LabError("Docker Compose 2 is not installed", INSTALL_HINT)
