"""One reference deployment, timed beside its peers in the same run.

Reference: git fetch of a new commit, release switch, unit restart, HTTP gate, prune; one host over
SSH. Each run deploys a commit nobody has seen, and the version that answers is checked after it.
Ours is measured as a command that does all itself, and as one that asks a server which has deployed
before.
Writes results.json: a list of {work, peer, ours_s, peer_s, ratio, runs}, medians in seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from fraisier import lab as labs  # noqa: E402
from support.command import Fraisier  # noqa: E402
from support.repository import Repository  # noqa: E402
from support.server import serving  # noqa: E402
from support.target import served  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "7"))
PORTS = {"ours": 8001, "server": 8001, "ssh": 8002, "idiomatic": 8003, "pyinfra": 8004}
#: Ours -> what results.json calls it.
OURS = {"ours": "one host, cold", "server": "one host, through a server"}
PEERS = HERE / "peers"
BIN = Path(sys.executable).parent

CONFIG = """
fraises:
  bench:
    type: api
    git_provider: git
    git_repo: {repository}
    git_branch: main
    environments:
      production:
        provider: bare_metal
        provider_config:
          hosts: [{{hostname: {address}, username: deploy, ssh_key_path: {key}}}]
          known_hosts: {known_hosts}
          service_name: bench-ours
          app_path: /opt/bench-ours
          service_user: app
          exec: [/usr/bin/python3, app.py]
          env_vars: {{PORT: "{port}"}}
          health_check: {{type: http, url: "http://localhost:{port}/health"}}
          keep_releases: 5
"""


class Bench:
    """One lab host, one repository, and a way to deploy a commit with each tool."""

    def __init__(self, lab: labs.Lab, folder: Path) -> None:
        self.server: dict[str, str] = {}
        self.host = lab.hosts[0]
        self.folder = folder
        self.repository = Repository.create(lab.git, "bench", folder / "work")
        self.environment = {
            **os.environ,
            "KEY": str(lab.key),
            "KNOWN_HOSTS": str(lab.known_hosts),
            "ADDRESS": self.host.address,
            "REPOSITORY": str(self.repository.path),
        }
        self._write(lab)
        self.tools: dict[str, Callable[[str, str], list[str]]] = {
            "ours": self._ours,
            "server": lambda sha, stamp: [*self._ours(sha, stamp), "--wait"],
            "ssh": lambda sha, _stamp: ["bash", str(PEERS / "ssh.sh"), sha],
            "idiomatic": self._idiomatic,
            "pyinfra": self._pyinfra,
        }

    def _write(self, lab: labs.Lab) -> None:
        address, key = self.host.address, lab.key
        (self.folder / "fraises.yaml").write_text(
            CONFIG.format(
                repository=self.repository.path,
                address=address,
                key=key,
                known_hosts=lab.known_hosts,
                port=PORTS["ours"],
            )
        )
        ssh = f"-o UserKnownHostsFile={lab.known_hosts}"
        (self.folder / "inventory.ini").write_text(
            f"{address} ansible_user=deploy ansible_ssh_private_key_file={key} "
            f"ansible_python_interpreter=/usr/bin/python3 ansible_ssh_common_args='{ssh}'\n"
        )
        (self.folder / "ansible.cfg").write_text("[connection]\npipelining = true\n")
        (self.folder / "inventory.py").write_text(
            f"hosts = [({address!r}, dict(ssh_user='deploy', ssh_key={str(key)!r}, "
            f"ssh_known_hosts_file={str(lab.known_hosts)!r}))]\n"
        )

    def _ours(self, sha: str, _stamp: str) -> list[str]:
        return Fraisier(self.folder).argv("deploy", "bench", "production", "--version", sha)

    def _idiomatic(self, sha: str, stamp: str) -> list[str]:
        values = f"sha={sha} stamp={stamp} repository={self.repository.path} "
        return [
            str(BIN / "ansible-playbook"), "-i", "inventory.ini", str(PEERS / "idiomatic.yml"),
            "-e", values + f"port={PORTS['idiomatic']}",
        ]  # fmt: skip

    def _pyinfra(self, sha: str, stamp: str) -> list[str]:
        data = {"sha": sha, "stamp": stamp, "repository": self.repository.path}
        options = [f"--data={name}={value}" for name, value in data.items()]
        return [
            str(BIN / "pyinfra"), "-y", *options, f"--data=port={PORTS['pyinfra']}",
            "inventory.py", str(PEERS / "pyinfra_deploy.py"),
        ]  # fmt: skip

    def time(self, tool: str, number: int) -> float:
        """Deploy a new commit with a tool and return the seconds it took; check what serves."""
        sha = self.repository.commit("good", {"number": f"{tool} {number}\n"})
        argv = self.tools[tool](sha, f"{time.time_ns()}")
        environment = {**self.environment, "PORT": str(PORTS[tool])}
        if tool == "server":
            environment.update(self.server)
        begun = time.monotonic()
        done = subprocess.run(
            argv, cwd=self.folder, env=environment, capture_output=True, text=True
        )
        took = time.monotonic() - begun
        if done.returncode != 0 or served(self.host.address, PORTS[tool]) != sha:
            raise SystemExit(f"{tool} failed:\n{done.stdout}\n{done.stderr}")
        return took


def measure(bench: Bench) -> dict[str, list[float]]:
    """Return the seconds of each tool's runs; the first round sets up and is not counted."""
    times: dict[str, list[float]] = {tool: [] for tool in bench.tools}
    for number in range(ROUNDS + 1):
        for tool in bench.tools:
            took = bench.time(tool, number)
            if number:
                times[tool].append(took)
    return times


def report(times: dict[str, list[float]]) -> list[dict[str, object]]:
    """Print the medians and return them as results.json holds them."""
    medians = {tool: statistics.median(values) for tool, values in times.items()}
    print(f"{'':12}{'median':>9}{'min':>9}{'max':>9}   ({ROUNDS} runs)")
    for tool, values in times.items():
        print(f"{tool:12}{medians[tool]:8.2f}s{min(values):8.2f}s{max(values):8.2f}s")
    results: list[dict[str, object]] = []
    for tool, work in OURS.items():
        for peer in [tool for tool in medians if tool not in OURS]:
            ratio = medians[tool] / medians[peer]
            print(f"{work}: {ratio:.2f} of {peer}")
            results.append(
                {
                    "work": work,
                    "peer": peer,
                    "ours_s": round(medians[tool], 3),
                    "peer_s": round(medians[peer], 3),
                    "ratio": round(ratio, 3),
                    "runs": ROUNDS,
                }
            )
    return results


def main() -> None:
    """Make a lab host, measure, write results.json, remove the host."""
    name = f"bench-{os.getpid()}"
    folder = Path(tempfile.mkdtemp(prefix="fraisier-bench-"))
    try:
        lab = labs.up(name, 1, ports=tuple(sorted(set(PORTS.values()))), say=print)
        bench = Bench(lab, folder)
        with serving(Fraisier(folder)) as server:
            bench.server = {"FRAISIER_SERVER": server.url, "FRAISIER_TOKEN": server.secret}
            results = report(measure(bench))
        (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    finally:
        labs.down(name)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
