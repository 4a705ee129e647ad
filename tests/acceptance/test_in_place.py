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


@pytest.fixture
def adopted(target: Target) -> Iterator[Target]:
    """Return a target whose host has a service that was set up by hand."""
    target.found = put_there_by_hand(target)  # type: ignore[attr-defined]
    target.configure(**IN_PLACE)
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
    mine = own_things(adopted)

    bad = commit(adopted.repository, "http500")
    first = adopted.deploy("--version", bad)
    assert first.code == 5, first.said
    assert adopted.last()["status"] == "rolled_back"
    assert answer(adopted) == {"version": found, "built": found}
    assert head(adopted) == f"{found}\ndetached"
    assert own_things(adopted) == mine

    good = commit(adopted.repository, note="newer")
    second = adopted.deploy()
    assert second.code == 0, second.said
    assert answer(adopted) == {"version": good, "built": good}
    assert head(adopted) == f"{good}\ndetached"

    pid = adopted.inside(host, f"systemctl show --value -p MainPID {UNIT}")
    again = adopted.deploy()
    assert again.code == 0, again.said
    assert "nothing was changed" in again.said
    assert adopted.inside(host, f"systemctl show --value -p MainPID {UNIT}") == pid

    dying = adopted.deploy("--version", commit(adopted.repository, "die"))
    assert dying.code == 5, dying.said
    assert answer(adopted) == {"version": good, "built": good}

    undone = adopted.fraisier("rollback", "my_api", "production")
    assert undone.code == 0, undone.said
    assert answer(adopted) == {"version": found, "built": found}
    assert adopted.fraisier("rollback", "my_api", "production", "--to-version", good).code == 0
    assert answer(adopted) == {"version": good, "built": good}

    back = run_ansible(
        adopted, "ansible-playbook", "fraisier.deploy.rollback",
        "-e", "fraisier_fraise=my_api", "-e", "fraisier_environment=production",
        "-e", f"fraisier_version={found}",
    )  # fmt: skip
    assert back.returncode == 0, back.stdout
    assert answer(adopted) == {"version": found, "built": found}
    assert own_things(adopted) == mine
    assert adopted.inside(host, f"stat -c '%U %a' {STATE}") == "root 700"


def test_a_checkout_that_was_changed_by_hand_is_refused_and_left_alone(adopted: Target) -> None:
    host = adopted.hosts[0]
    as_deploy(adopted, f"echo '# quick fix' >> {APP_PATH}/app.py")
    before = adopted.inside(host, f"git -C {APP_PATH} diff; git -C {APP_PATH} rev-parse HEAD")
    commit(adopted.repository, note="newer")
    refused = adopted.deploy()
    assert refused.code == 5, refused.said
    assert "checkout_changed" in refused.said
    assert "app.py" in refused.said
    assert "git -C /opt/my-api stash" in refused.said
    after = adopted.inside(host, f"git -C {APP_PATH} diff; git -C {APP_PATH} rev-parse HEAD")
    assert after == before
    assert adopted.inside(host, "ls -d /var/lib/fraisier 2>/dev/null || true") == ""


def test_a_file_of_the_teams_that_a_commit_would_overwrite_is_refused(adopted: Target) -> None:
    (adopted.repository.work / "notes.txt").write_text("theirs")
    commit(adopted.repository, note="brings notes.txt")
    refused = adopted.deploy()
    assert refused.code == 5, refused.said
    assert "checkout_blocked" in refused.said
    assert adopted.inside(adopted.hosts[0], f"cat {APP_PATH}/notes.txt") == "mine"
    assert answer(adopted)["version"] == adopted.found  # type: ignore[attr-defined]


def test_a_build_that_writes_files_of_the_commit_is_no_persons_change(adopted: Target) -> None:
    adopted.configure(**{**IN_PLACE, "build": [BUILD, "git rev-parse HEAD > note"]})
    for note in ("one", "two"):
        version = commit(adopted.repository, note=note)
        done = adopted.deploy()
        assert done.code == 0, done.said
        assert answer(adopted) == {"version": version, "built": version}
    as_deploy(adopted, f"echo by hand > {APP_PATH}/note")
    commit(adopted.repository, note="three")
    refused = adopted.deploy()
    assert "checkout_changed" in refused.said


def test_a_run_killed_between_checkout_and_restart_is_seen_and_made_good(adopted: Target) -> None:
    host, found = adopted.hosts[0], adopted.found  # type: ignore[attr-defined]
    adopted.configure(**{**IN_PLACE, "build": ["touch /tmp/building; sleep 300"]})
    cut = commit(adopted.repository, note="its build never ends")
    process = adopted.fraisier.start("deploy", "my_api", "production")
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

    adopted.configure(**IN_PLACE)
    assert adopted.last()["status"] == "interrupted"
    unlocked = adopted.fraisier("unlock", "my_api", "production", "--reason", "I looked")
    assert unlocked.code == 0, unlocked.said
    bad = adopted.deploy("--version", commit(adopted.repository, "http500"))
    assert bad.code == 5, bad.said
    assert answer(adopted) == {"version": found, "built": found}
    good = adopted.deploy("--version", cut)
    assert good.code == 0, good.said
    assert answer(adopted) == {"version": cut, "built": cut}
    assert probed(adopted)["running"] == probed(adopted)["release"]["id"]


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


def test_a_checkout_that_is_not_there_is_cloned_and_runs_under_a_unit_of_fraisiers(
    target: Target,
) -> None:
    host = target.hosts[0]
    target.configure(**{**IN_PLACE, "exec": ["/usr/bin/python3", "app.py"], "build": []})
    first = target.repository.commit("http500")
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
    target.repository.commit("die")
    assert target.deploy().code == 5
    assert target.served(host) == good
    assert first not in head(target)
    target.inside(host, "rm -rf /var/lib/fraisier")


def test_a_folder_that_is_no_checkout_is_refused_and_left_alone(target: Target) -> None:
    host = target.hosts[0]
    target.inside(host, f"install -d -o deploy {APP_PATH} && echo precious > {APP_PATH}/data")
    target.configure(**{**IN_PLACE, "exec": ["/usr/bin/python3", "app.py"]})
    target.repository.commit("good")
    refused = target.deploy()
    assert refused.code == 5, refused.said
    assert "checkout_missing" in refused.said
    assert target.inside(host, f"cat {APP_PATH}/data; ls -A {APP_PATH}") == "precious\ndata"


def test_a_checkout_of_roots_is_refused_as_git_never_runs_as_root(adopted: Target) -> None:
    adopted.inside(adopted.hosts[0], f"chown -R root:root {APP_PATH}")
    commit(adopted.repository, note="newer")
    refused = adopted.deploy()
    assert refused.code == 5, refused.said
    assert "checkout_owner" in refused.said
    assert "chown -R deploy: /opt/my-api" in refused.said


def test_env_vars_reach_a_unit_by_a_drop_in_that_names_their_file(adopted: Target) -> None:
    host = adopted.hosts[0]
    adopted.configure(**{**IN_PLACE, "env_vars": {"COLOUR": "blue"}})
    commit(adopted.repository, note="wants a colour")
    refused = adopted.deploy()
    assert refused.code == 5, refused.said
    assert "environment_unread" in refused.said
    assert f"EnvironmentFile=-{STATE}/environment" in refused.said
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


def test_a_dry_run_shows_the_change_and_makes_none(adopted: Target) -> None:
    host = adopted.hosts[0]
    before = everything(adopted)
    newer = commit(adopted.repository, note="what is new")
    play = (
        "ansible-playbook", "fraisier.deploy.deploy", "--check", "--diff",
        "-e", "fraisier_fraise=my_api", "-e", "fraisier_environment=production",
    )  # fmt: skip
    shown = run_ansible(adopted, *play)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "+what is new" in shown.stdout
    assert f"-> {newer[:12]}" in shown.stdout
    planned = adopted.fraisier("--json", "plan", "my_api", "production")
    assert planned.code == 0, planned.said
    assert planned.json["hosts"][0]["from"]["version"] == adopted.found  # type: ignore[attr-defined]
    assert everything(adopted) == before
    as_deploy(adopted, f"echo by hand >> {APP_PATH}/app.py")
    refused = run_ansible(adopted, *play)
    assert refused.returncode == 2, refused.stdout
    assert "changed by hand" in refused.stdout
    assert adopted.inside(host, "ls -d /var/lib/fraisier 2>/dev/null || true") == ""


def everything(target: Target) -> str:
    """Return a list of all files that a deployment could touch, with when they were changed."""
    return target.inside(
        target.hosts[0],
        f"find {APP_PATH} /etc/systemd /var/lib/fraisier /tmp -not -path '/tmp/systemd*' "
        "-printf '%p %T@ %s %u %m\\n' 2>/dev/null | grep -v '^/tmp ' | sort",
    )
