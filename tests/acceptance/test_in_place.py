"""Services that exist already: adopted where they are, upgraded, broken, put back, left alone."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from documents import TOP, Session

from support.adopted import as_deploy, commit, put_there_by_hand
from support.command import run_ansible
from support.pages import Page
from support.target import APP_PATH, UNIT, Target, until

STATE = "/var/lib/fraisier/opt-my--api"
BUILD = "git rev-parse HEAD > built"
IN_PLACE = {
    "layout": "in_place",
    "service_user": "deploy",
    "exec": None,
    "env_vars": None,
    "build": [BUILD],
}
#: Long enough for a Flask on a busy machine. Bad versions die, which nobody waits for.
PATIENT = {"strategy_config": {"healthy_deadline": 60}}


def configure(target: Target, **more: Any) -> None:
    """Write a configuration for a checkout in place; `more` replaces parts of it."""
    target.configure(PATIENT, **{**IN_PLACE, **more})


@pytest.fixture
def adopted(target: Target) -> Iterator[Target]:
    """Return a target whose host has a service that was set up by hand."""
    target.found = put_there_by_hand(target)  # type: ignore[attr-defined]
    configure(target)
    yield target
    target.inside(target.hosts[0], "rm -rf /var/lib/fraisier")


def answer(target: Target) -> dict[str, str]:
    """Return what the service says of itself."""
    with urllib.request.urlopen(f"http://{target.hosts[0].address}:8000/health") as response:
        said: dict[str, str] = json.load(response)
    return said


def own_things(target: Target) -> str:
    """Return what is the team's and must never change: the unit, its own files, its branches."""
    return target.inside(
        target.hosts[0],
        f"sha256sum /etc/systemd/system/{UNIT} {APP_PATH}/notes.txt {APP_PATH}/local.env;"
        f"stat -c '%U %a' {APP_PATH}/notes.txt; ls /etc/systemd/system/{UNIT}.d 2>&1;"
        f"git -C {APP_PATH} for-each-ref refs/heads refs/remotes; git -C {APP_PATH} remote -v;"
        f"git -C {APP_PATH} log --format=%H mine; find {APP_PATH} -user root",
    )


def head(target: Target) -> str:
    """Return what is checked out, and whether a branch is."""
    host = target.hosts[0]
    return target.inside(
        host, f"cd {APP_PATH}; git rev-parse HEAD; git symbolic-ref -q HEAD || echo detached"
    )


def test_a_service_set_up_by_hand_is_adopted_upgraded_broken_and_put_back(adopted: Target) -> None:
    host, found = adopted.hosts[0], adopted.found  # type: ignore[attr-defined]
    as_deploy(
        adopted,
        f"cd {APP_PATH} && git checkout -q -b mine && git -c user.name=D -c user.email=d@x commit "
        "-q --allow-empty -m 'local work' && git checkout -q main",
    )
    plan_and_change_nothing(adopted, found)
    mine = own_things(adopted)

    bad = commit(adopted.repository, "die")
    first = adopted.deploy("--version", bad)
    assert first.code == 5, first.said
    assert adopted.last()["status"] == "rolled_back"
    assert answer(adopted) == {"version": found, "built": found}
    assert head(adopted) == f"{found}\ndetached"
    assert own_things(adopted) == mine

    configure(adopted, build=[BUILD, "git rev-parse HEAD >> note"])
    good = commit(adopted.repository, note="newer")
    second = adopted.deploy()
    assert second.code == 0, second.said
    assert answer(adopted) == {"version": good, "built": good}
    assert head(adopted) == f"{good}\ndetached"

    again = adopted.deploy()
    assert again.code == 0, again.said
    assert "nothing was changed" in again.said

    undone = adopted.fraisier("rollback", "my_api", "production")
    assert undone.code == 0, undone.said
    assert answer(adopted) == {"version": found, "built": found}
    assert own_things(adopted) == mine
    assert adopted.inside(host, f"stat -c '%U %a' {STATE}") == "root 700"
    refuse_what_was_changed_by_hand(adopted)


def plan_and_change_nothing(adopted: Target, found: str) -> None:
    """See what a deployment would change; nothing on the host is written by that."""
    before = everything(adopted)
    newer = commit(adopted.repository, note="what is new")
    planned = adopted.fraisier("plan", "my_api", "production")
    assert planned.code == 0, planned.said
    assert f"{found[:7]} → {newer[:7]}" in planned.out
    assert "+what is new" in planned.out
    assert f"-> {newer[:12]}" in planned.out
    assert everything(adopted) == before


def refuse_what_was_changed_by_hand(adopted: Target) -> None:
    """Change a file that each build overwrites, too, and deploy: it is refused and left alone.

    What builds write is no person's change, so the deployments before were not refused.
    """
    host = adopted.hosts[0]
    as_deploy(adopted, f"echo '# quick fix' >> {APP_PATH}/note")
    look = f"git -C {APP_PATH} diff; git -C {APP_PATH} rev-parse HEAD"
    before = adopted.inside(host, look)
    commit(adopted.repository, note="newest")
    refused = adopted.deploy()
    assert refused.code == 5, refused.said
    assert "checkout_changed" in refused.said
    assert "note" in refused.said
    assert "git -C /opt/my-api stash" in refused.said
    assert adopted.inside(host, look) == before


def test_a_run_killed_between_checkout_and_restart_is_seen_and_made_good(adopted: Target) -> None:
    host, found = adopted.hosts[0], adopted.found  # type: ignore[attr-defined]
    configure(adopted, build=["touch /tmp/building; sleep 300"])
    cut = commit(adopted.repository, note="its build never ends")
    process = adopted.fraisier.execute("deploy", "my_api", "production")
    until(lambda: adopted.inside(host, "test -e /tmp/building && echo yes || true") == "yes")
    process.kill()
    process.communicate()
    kill_the_run(adopted)
    seen = probed(adopted)
    assert seen["checkout"]["head"] == cut
    assert seen["release"]["version"] == cut
    assert seen["release"]["status"] == "prepared"
    releases = {release["id"]: release["version"] for release in seen["releases"]}
    assert releases[seen["running"]] == found
    assert answer(adopted)["version"] == found

    configure(adopted)
    assert adopted.last()["status"] == "interrupted"
    unlocked = adopted.fraisier("unlock", "my_api", "production", "--reason", "I looked")
    assert unlocked.code == 0, unlocked.said
    bad = adopted.deploy("--version", commit(adopted.repository, "die"))
    assert bad.code == 5, bad.said
    assert answer(adopted) == {"version": found, "built": found}
    good = adopted.deploy("--version", cut)
    assert good.code == 0, good.said
    assert answer(adopted) == {"version": cut, "built": cut}
    agreed = adopted.fraisier("hosts", "probe", "my_api", "production")
    assert agreed.code == 0, agreed.said


def kill_the_run(target: Target) -> None:
    """End the module that works on the host, and all that it started, as a power cut would."""
    fence = f"{STATE}/fence.json"
    session = target.inside(
        target.hosts[0], f"python3 -c \"import json; print(json.load(open('{fence}'))['pid'])\""
    )
    target.inside(target.hosts[0], f"kill -9 {session}; pkill -9 -s {session}; rm /tmp/building")


def probed(target: Target) -> dict[str, Any]:
    """Return what release_probe finds on the host."""
    options = f"app_path={APP_PATH} layout=in_place systemd_service={UNIT}"
    module = ("-b", "-m", "fraisier.deploy.release_probe", "-a", options)
    said: dict[str, Any] = json.loads(
        run_ansible(target, "ansible", "all", *module).stdout.partition("=> ")[2]
    )
    return said


@pytest.mark.slow
def test_a_checkout_that_is_not_there_is_cloned_and_runs_under_a_unit_of_fraisiers(
    target: Target,
) -> None:
    host = target.hosts[0]
    configure(target, exec=["/usr/bin/python3", "app.py"], build=[])
    target.inside(host, f"install -d -o deploy {APP_PATH} && echo precious > {APP_PATH}/data")
    target.repository.commit("die")
    refused = target.deploy()
    assert refused.code == 5, refused.said
    assert "checkout_missing" in refused.said
    assert target.inside(host, f"cat {APP_PATH}/data; ls -A {APP_PATH}") == "precious\ndata"
    target.inside(host, f"rm -r {APP_PATH}")
    failed = target.deploy()
    assert failed.code == 5, failed.said
    assert target.last()["status"] == "failed"
    assert target.unit_state(host) != "active"
    good = target.repository.commit("good")
    done = target.deploy()
    assert done.code == 0, done.said
    assert target.served(host) == good
    assert head(target) == f"{good}\ndetached"
    assert target.inside(host, f"stat -c %U {APP_PATH} {APP_PATH}/app.py") == "deploy\ndeploy"
    target.inside(host, "rm -rf /var/lib/fraisier")


@pytest.mark.slow
def test_env_vars_reach_a_unit_by_a_drop_in_that_names_their_file(adopted: Target) -> None:
    """Without the drop-in it is refused: test_collection_rights."""
    host = adopted.hosts[0]
    configure(adopted, env_vars={"COLOUR": "blue"})
    commit(adopted.repository, note="wants a colour")
    adopted.inside(
        host,
        f"cd /etc/systemd/system; mkdir {UNIT}.d; echo '[Service]\nEnvironmentFile=-{STATE}/"
        f"environment' > {UNIT}.d/50-fraisier.conf; systemctl daemon-reload",
    )
    done = adopted.deploy()
    assert done.code == 0, done.said
    found = f"tr '\\0' '\\n' < /proc/$(systemctl show --value -p MainPID {UNIT})/environ"
    assert "COLOUR=blue" in adopted.inside(host, found)
    adopted.inside(host, f"rm -r /etc/systemd/system/{UNIT}.d; systemctl daemon-reload")


def test_the_guide_works_as_it_is_written(adopted: Target, home: Path) -> None:
    found = adopted.found  # type: ignore[attr-defined]
    newer = commit(adopted.repository, note="newer")
    page = Page(TOP / "docs/ADOPTING.md")
    blocks = [block.text for block in page.blocks("bash")]
    session = Session.create(adopted, home)
    done = session.run(blocks, OLDER_VERSION=found)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert newer[:7] in done.stdout
    assert answer(adopted) == {"version": found, "built": found}


def everything(target: Target) -> str:
    """Return a list of all files that a deployment could touch, with when they were changed."""
    return target.inside(
        target.hosts[0],
        f"find {APP_PATH} /etc/systemd /var/lib/fraisier /tmp -not -path '/tmp/systemd*' "
        "-printf '%p %T@ %s %u %m\\n' 2>/dev/null | grep -v '^/tmp ' | sort",
    )
