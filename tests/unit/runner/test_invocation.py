"""What a run gets to see, and what it does not."""

from __future__ import annotations

import json
from pathlib import Path

from fraisier.domain.catalogue import Host, InventoryGroup
from fraisier.domain.plan import Work
from fraisier.domain.secret import Secret
from fraisier.runner.files import arguments
from fraisier.runner.invocation import collections_root, environment, invocation
from support.fakes import make_target

HOST = Host("web-1", "10.0.0.1", 2222, "deploy", "/k", "/known hosts")


def make(**environ: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the files and the environment of a run."""
    work = Work("dep_1", "deploy", "p", (HOST,), True, {"a": "b"}, {}, 60)
    found = invocation(work, {"TOKEN": Secret("s3cret")}, Path("/run/x"))
    return {**found.files, "request.json": found.request}, environment(Path("/run/x"), environ)


def test_only_allowed_variables_reach_ansible() -> None:
    """S11."""
    _, seen = make(HOME="/h", FRAISIER_TOKEN="t", DATABASE_URL="d", ANSIBLE_CONFIG="/evil")
    assert seen["HOME"] == "/h"
    assert seen["ANSIBLE_CONFIG"] == "/run/x/ansible.cfg"
    assert not {"FRAISIER_TOKEN", "DATABASE_URL"} & set(seen)


def test_host_keys_are_always_checked_against_the_pinned_ones() -> None:
    """S9."""
    files, seen = make()
    assert seen["ANSIBLE_HOST_KEY_CHECKING"] == "True"
    assert "StrictHostKeyChecking=yes" in seen["ANSIBLE_SSH_ARGS"]
    assert "UserKnownHostsFile=" in files["inventory.json"]


def test_a_secret_is_in_the_request_file_and_nowhere_else() -> None:
    files, seen = make()
    assert "s3cret" in files.pop("request.json")
    assert "s3cret" not in f"{files} {seen}"


def test_a_certificate_travels_with_the_secrets() -> None:
    work = Work("dep_1", "stage", "p", (HOST,), True, {"a": "b"}, {}, 60)
    secrets = {"tls:cert": Secret("CERT"), "tls:key": Secret("KEY-OF-IT")}
    found = invocation(work, secrets, Path("/run/x"))
    assert json.loads(found.request)["fraisier_request"]["secret_tls"] == {
        "cert": {"__ansible_unsafe": "CERT"}, "key": {"__ansible_unsafe": "KEY-OF-IT"},
    }  # fmt: skip
    assert "KEY-OF-IT" not in "".join(found.files.values())
    assert "secret_tls" not in make()[0]["request.json"]


def test_headers_that_are_secrets_travel_with_them() -> None:
    work = Work("dep_1", "verify", "p", (HOST,), True, {"a": "b"}, {}, 60)
    secrets = {
        "header:health_check/X-Api-Key": Secret("KEY-OF-IT"),
        "header:smoke/0/A": Secret("OTHER"),
    }
    found = invocation(work, secrets, Path("/run/x"))
    request = json.loads(found.request)["fraisier_request"]
    assert request["secret_headers"] == {
        "health_check/X-Api-Key": {"__ansible_unsafe": "KEY-OF-IT"},
        "smoke/0/A": {"__ansible_unsafe": "OTHER"},
    }
    assert request["secret_environment"] == {}
    assert "KEY-OF-IT" not in "".join(found.files.values())


def test_our_own_collection_is_the_one_that_is_used() -> None:
    assert (collections_root() / "ansible_collections/fraisier/deploy/galaxy.yml").is_file()
    assert make()[1]["ANSIBLE_COLLECTIONS_PATH"].startswith(str(collections_root()))
    assert make_target().hosts[0].python == "/usr/bin/python3"


def test_a_kept_check_that_lacks_a_secret_decides_nothing() -> None:
    kept = {"web-1": {"service": {"health_check": None}, "unhealthy": "fail"}}
    name = "header:health_check/X-Api-Key"
    asked = {"secrets": {name: {"env": "GONE"}}, "timeout": 60}
    work = Work("dep_1", "restore", "p", (HOST,), True, {"kept": kept}, **asked)
    for secrets, unhealthy in (({}, "warn"), ({name: Secret("KEY-OF-IT")}, "fail")):
        told = json.loads(invocation(work, secrets, Path("/run/x")).request)["fraisier_request"]
        assert "unhealthy" in told["kept"]["web-1"]
        assert unhealthy in str(told["kept"]["web-1"]["unhealthy"])


def test_hosts_of_a_teams_own_inventory_are_chosen_by_their_names_not_by_a_pattern() -> None:
    """A pattern `web` means the hosts of a group that has this name, and `db:1` a port."""
    theirs = InventoryGroup("/srv/hosts.ini", "all")
    work = Work(
        "dep_1", "deploy", "p", (Host("web", "a"), Host("db:1", "b")), None, {}, {}, 60,
        inventory=theirs,
    )  # fmt: skip
    found = invocation(work, {}, Path("/run/x"))
    chosen = json.loads(found.files["chosen.yml"])
    assert chosen["hosts"] == ["web", "db:1"]
    pattern = json.loads(found.request)["fraisier_hosts"]
    assert pattern == {"__ansible_unsafe": chosen["group"]}
    assert arguments(Path("/run/x"), theirs.inventory)["inventory"][-1] == "/run/x/chosen.yml"
