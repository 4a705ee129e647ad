"""What is late, left over or cut short on a host: it changes nothing once the host is sealed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import scenarios

from fraisier.lab import LabHost
from support.command import run_ansible
from support.target import APP_PATH, UNIT, Target, until

PLUGINS = Path(__file__).parents[2] / "collections/ansible_collections/fraisier/deploy/plugins"
NAME = "my_api/production"
MARK = "/tmp/late-marks"
#: A build that leaves its session, writes a mark every 50 ms for ever, and goes on building.
LEAVER = f"setsid sh -c 'while :; do date +%s.%N >> {MARK}; sleep 0.05; done' >/dev/null 2>&1 &"


def request(target: Target, deployment: str, turn: int, **more: Any) -> dict[str, Any]:
    """Return a step as the engine asks for it."""
    name, service = described(target.folder, (target.folder / "fraises.yaml").read_text())
    return {
        "deployment": deployment,
        "installation": "ins_late",
        "service": service,
        "fence": {name: {"expected": 0, "number": None, "turn": turn}},
        **more,
    }


@lru_cache
def described(folder: Path, _content: str) -> tuple[str, dict[str, Any]]:
    """Return the name of a target's host and its service, as its inventory has them."""
    tool = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", "fraises.yaml", "--list"]
    done = subprocess.run(tool, cwd=folder, capture_output=True, check=True)
    hosts = json.loads(done.stdout)["_meta"]["hostvars"]
    ((name, variables),) = hosts.items()
    return name, plain(variables["fraisier_targets"][NAME]["service"])


def plain(value: Any) -> Any:
    """Return data of ansible-inventory without its marks on text that is no template."""
    if isinstance(value, dict):
        marked = value.get("__ansible_unsafe")
        return marked if marked else {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def argv(playbook: str, wanted: dict[str, Any]) -> list[str]:
    """Return the arguments that carry a step out by its playbook."""
    return [f"fraisier.deploy.{playbook}", "-e", json.dumps({"fraisier_request": wanted})]


def play(target: Target, playbook: str, wanted: dict[str, Any]) -> tuple[int, str]:
    """Carry a step out; return Ansible's exit code and what it said."""
    done = run_ansible(target, "ansible-playbook", *argv(playbook, wanted), "-v")
    return done.returncode, done.stdout + done.stderr


def started(target: Target, playbook: str, wanted: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Begin to carry a step out."""
    tool = str(Path(sys.executable).parent / "ansible-playbook")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
    environment["ANSIBLE_PIPELINING"] = "1"  # as the control plane does it
    return subprocess.Popen(
        [tool, "-i", "fraises.yaml", *argv(playbook, wanted)],
        cwd=target.folder, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def seal(target: Target, deployment: str, turn: int) -> None:
    """Look at the host, end what runs, and let nothing late in."""
    code, said = play(target, "probe", request(target, deployment, turn, stop=True))
    assert code == 0, said
    assert '"sealed": true' in said, said


def marks(target: Target) -> int:
    """Return how many marks builds have left on the host."""
    return int(target.inside(target.hosts[0], f"cat {MARK} 2>/dev/null | wc -l"))


def no_more_marks(target: Target) -> bool:
    """True when nothing writes marks any more."""
    before = marks(target)
    time.sleep(0.6)
    return before > 0 and marks(target) == before


@pytest.fixture(autouse=True)
def unmarked(target: Target) -> Any:
    """Begin without marks, and leave none."""
    target.inside(target.hosts[0], f"rm -f {MARK}")
    yield
    target.inside(target.hosts[0], f"pkill -f '[d]ate >> {MARK}'; rm -f {MARK}")


def in_turn(target: Target, *steps: tuple[str, dict[str, Any]]) -> tuple[int, str]:
    """Carry steps out one after another in one run of Ansible; a host that fails gets no more.

    `deploy` is `step` where a request is given, which deploy.yml decides before it has these vars.
    """
    plays = [
        {
            "import_playbook": f"fraisier.deploy.{playbook}",
            "vars": {"fraisier_request": wanted},
        }
        for playbook, wanted in steps
    ]
    (target.folder / "steps.json").write_text(json.dumps(plays))
    done = run_ansible(target, "ansible-playbook", "steps.json", "-v")
    return done.returncode, done.stdout + done.stderr


def test_a_step_that_comes_after_the_seal_changes_nothing(target: Target) -> None:
    """I5, I7: whether or not its deployment had reached the host before."""
    host, sha = target.hosts[0], target.repository.commit("good")
    target.configure(build=[f"date >> {MARK}"])
    late = request(target, "dep_1", 1001, version=sha)
    sealing = request(target, "dep_1", 1009, stop=True)
    code, said = in_turn(target, ("probe", sealing), ("step", late))
    assert code == 2
    assert '"sealed": true' in said, said
    assert "fence_stale" in said, said
    assert marks(target) == 0
    assert target.inside(host, f"ls -A {APP_PATH}") == ".fraisier"
    newer = request(target, "dep_2", 2001, version=sha)
    back = {**late, "restore": {next(iter(late["fence"])): None}}
    code, said = in_turn(target, ("step", newer), ("rollback", back))
    assert code == 2
    assert "fence_stale" in said, said
    assert target.served(host) == sha, "the newer deployment went well, and what was late did not"
    assert len(target.releases(host)) == marks(target) == 1
    assert target.unit_state(host) == "active"


@pytest.mark.parametrize(
    "killed",
    [pytest.param(False, id="at work", marks=pytest.mark.slow), pytest.param(True, id="killed")],
)
def test_a_build_that_left_its_session_is_ended_by_the_seal(target: Target, killed: bool) -> None:
    """I7: the host ends it, whether its module still runs or was killed before."""
    host, sha = target.hosts[0], target.repository.commit("good")
    target.configure(build=[f"{LEAVER} sleep 60"])
    process = started(target, "deploy", request(target, "dep_1", 1001, version=sha))
    until(lambda: marks(target) > 3, 120)
    if killed:
        fence = f"{APP_PATH}/.fraisier/fence.json"
        find = f"import json; print(json.load(open('{fence}'))['pid'])"
        target.inside(host, f'kill -9 $(python3 -c "{find}")')
        assert not no_more_marks(target), "the build should have survived its module"
    seal(target, "dep_1", 1009)
    assert no_more_marks(target)
    assert process.wait(120) != 0
    assert target.current(host) == ""


def test_nothing_of_a_build_goes_on_after_its_end_good_or_cancelled(target: Target) -> None:
    """I7: what it left running is ended, before the command says `success` or `cancelled`."""
    target.repository.commit("good")
    target.configure(build=[f"{LEAVER} sleep 0.3"])
    result = target.deploy()
    assert result.code == 0, result.said
    assert no_more_marks(target)

    target.inside(target.hosts[0], f"rm -f {MARK}")
    target.repository.commit("good", {"note": "never built"})
    target.configure(build=[f"{LEAVER} sleep 600"])
    process = target.fraisier.start("deploy", "my_api", "production")
    until(lambda: marks(target) > 3, 120)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 9, out + err
    assert no_more_marks(target)


CUT = """
import json, os, random, signal, sys, time
sys.path.insert(0, "/tmp/late")
from late import restore
from late.fence import Fence
from late.fence_rules import Claim
from late.ledger import Ledger
from late.probe import probe
from late.processes import lead_session
from late.releases import layout_of
from late.seal import seal
from late.service import from_options
from late.site import Site
from late.source import Source
from late.git_access import Access
from late.wanted import Wanted

options = json.loads(sys.argv[1])
service, layout = from_options(options, {}), layout_of(options["app_path"])
ledger = Ledger(layout)
releases = [release.id for release in ledger.all()]
assert len(releases) == 2, releases
cut, half, whole, seen, span = 0, 0, 0, set(), 0.0

def child(turn, to):
    lead_session()
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 2)
    claim = Claim("ins_late", "dep_cut", turn=turn)
    restore.restore(Site(service, claim, Source(Access(options["repository"]))), Wanted(to=to))
    os._exit(0)

for turn in range(5000, 5000 + 2 * int(sys.argv[2]), 2):
    to = next(release for release in releases if release != ledger.current())
    begun, before = time.monotonic(), os.readlink(layout.environment)
    pid = os.fork()
    if not pid:
        try:
            child(turn, to)
        finally:
            os._exit(1)
    if turn % 4:  # at any instant; the first one is left alone and says how long it takes
        time.sleep(random.uniform(0.0, span))
    elif span:  # at the switch, which begins with the environment
        until = time.monotonic() + 10 * span
        while os.readlink(layout.environment) == before and time.monotonic() < until:
            pass
        time.sleep(random.choice((0.0, 0.0005, 0.002, 0.005)))
    if span:
        os.kill(pid, signal.SIGKILL)
    _pid, status = os.waitpid(pid, 0)
    span = span or 0.8 * (time.monotonic() - begun)
    cut += os.WIFSIGNALED(status)
    half += not os.readlink(layout.environment).startswith(f"releases/{ledger.current()}/")
    assert ledger.current() in releases, "current names no release"
    assert os.path.isfile(os.path.join(layout.pointer, "app.py")), "what it names is not whole"
    assert seal(layout.state, "ins_late", "dep_cut", turn + 1, ledger.mend).sealed
    told = probe(layout, service.systemd_service)
    current = os.path.basename(os.readlink(layout.pointer))
    assert told["release"]["id"] == current, told
    beside = os.readlink(layout.environment)
    assert beside == f"releases/{current}/environment", "the environment is another release's"
    seen.add(current)
    whole += 1
print(json.dumps({"cut": cut, "half": half, "whole": whole, "seen": len(seen)}))
"""


def send(host: LabHost, source: str, sink: str) -> None:
    """Give what a command prints here to a command on the host."""
    line = f"{source} | docker exec -i {host.container} sh -c {shlex.quote(sink)}"
    subprocess.run(["sh", "-c", line], check=True)


def test_a_run_that_dies_at_the_switch_leaves_the_old_or_the_new_release(target: Target) -> None:
    """I14: `current` names a whole release at every instant, and a later probe says which."""
    host = target.hosts[0]
    scenarios.first_deployment(target)
    target.repository.commit("good", {"note": "two"})
    assert target.deploy().code == 0
    service = request(target, "", 0)["service"]
    target.inside(host, "rm -rf /tmp/late; mkdir /tmp/late")
    send(host, f"tar -C {PLUGINS} -c --exclude=__pycache__ module_utils", "tar -xC /tmp/late")
    target.inside(host, "mv /tmp/late/module_utils /tmp/late/late")
    given = json.dumps(service).replace("'", "'\\''")
    (target.folder / "cut.py").write_text(CUT)
    send(host, f"cat {target.folder}/cut.py", "cat > /tmp/late/cut.py")
    said = target.inside(host, f"python3 /tmp/late/cut.py '{given}' 21")
    print(said)
    counted = json.loads(said.splitlines()[-1])
    assert counted["whole"] == 21
    assert counted["cut"] >= 10
    assert counted["seen"] == 2, "both releases should have been found at some time"
    target.inside(host, f"rm -rf /tmp/late; systemctl stop {UNIT}")


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    said = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True).stdout
    pairs = [tuple(map(int, line.split())) for line in said.splitlines()]
    found = [pid]
    for parent in found:
        found += [child for child, of in pairs if of == parent]
    return found


def test_a_build_ends_when_the_connection_of_its_controller_is_gone(target: Target) -> None:
    """I7: nobody has looked at the host yet, and nothing has asked for its fence."""
    sha = target.repository.commit("good")
    target.configure(build=[f"{LEAVER} sleep 600"])
    process = started(target, "deploy", request(target, "dep_1", 1001, version=sha))
    until(lambda: marks(target) > 3, 120)
    for pid in descendants(process.pid):
        os.kill(pid, signal.SIGKILL)
    assert process.wait(120) == -signal.SIGKILL
    until(lambda: no_more_marks(target), 60)
    assert target.inside(target.hosts[0], "pgrep -f '[s]leep 600' || true") == ""
    assert target.releases(target.hosts[0]) == []
