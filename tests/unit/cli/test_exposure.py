"""What `doctor` says of who else may change what Fraisier does, or listen to its API."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fraisier.cli.exposure import bind_exposure, writable_files
from fraisier.domain.catalogue import Catalogue, Host, InventoryGroup
from fraisier.domain.delivery import Endpoint
from fraisier.domain.push import GitHost
from fraisier.domain.secret import SecretReference
from support.fakes import PROVIDER, make_catalogue, make_target


@pytest.mark.parametrize(
    ("bind", "warned"),
    [
        ("0.0.0.0:8000", True),
        ("[::]:8000", True),
        (":::8000", True),
        ("0:8000", True),
        ("*:8000", True),
        ("[::ffff:0.0.0.0]:8000", True),
        ("127.0.0.1:8000", False),
        ("[::1]:8000", False),
        ("10.0.0.7:8000", False),
        ("localhost:8000", False),
        ("nonsense", False),
        ("a..b:8000", False),
        ("", False),
    ],
)
def test_a_bind_to_every_address_is_warned_of(bind: str, warned: bool) -> None:
    said = list(bind_exposure({"FRAISIER_BIND": bind}))
    assert bool(said) is warned
    assert all(bind in detail and "reverse proxy" in fix for _, detail, fix in said)
    assert not list(bind_exposure({"FRAISIER_BIND": bind, "FRAISIER_IMAGE": "1"}))


def test_nothing_is_said_where_no_bind_is_set() -> None:
    assert not list(bind_exposure({}))


def catalogue(folder: Path) -> Catalogue:
    """Return a catalogue whose files all are in a folder, for this account alone to write."""
    names = (
        "fraises.yaml", "token", "vault", "url", "signing", "hook", "key", "known_hosts", "group",
        "deploy.yml",
    )  # fmt: skip
    files = {name: folder / name for name in names}
    for path in files.values():
        path.touch(0o600)
    secrets = {
        "TOKEN": {"file": str(files["token"])},
        "VAULT": {"vault": str(files["vault"])},
        "TEXT": {"vault": "$ANSIBLE_VAULT;1.1;AES256\n6162"},
        "NAME": {"env": "NAME"},
        "GONE": {"file": str(folder / "gone")},
    }
    host = Host("a", "a", ssh_key_path=str(files["key"]), known_hosts=str(files["known_hosts"]))
    named = InventoryGroup(str(files["group"]), "web")
    playbooks = {**PROVIDER.playbooks, "deploy": str(files["deploy.yml"])}
    made = make_catalogue(
        make_target(secrets=secrets, hosts=(host,), inventory=named),
        replace(PROVIDER, playbooks=playbooks),
    )
    receiver = Endpoint(
        "chat", "webhook", SecretReference("file", "url"), (SecretReference("file", "signing"),)
    )
    return replace(
        made,
        path=str(files["fraises.yaml"]),
        receivers=(receiver,),
        git_hosts={"gitea": GitHost((SecretReference("file", "hook"),))},
    )


def test_files_that_only_their_owner_writes_are_in_order(tmp_path: Path) -> None:
    assert list(writable_files(catalogue(tmp_path))) == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("fraises.yaml", "configuration file"),
        ("token", "secret file"),
        ("vault", "secret file"),
        ("url", "secret file"),
        ("signing", "secret file"),
        ("hook", "secret file"),
        ("key", "SSH file"),
        ("known_hosts", "SSH file"),
        ("group", "inventory"),
        ("deploy.yml", "playbook"),
    ],
)
def test_a_file_that_every_account_may_write_is_warned_of(
    tmp_path: Path, name: str, kind: str
) -> None:
    made = catalogue(tmp_path)
    (tmp_path / name).chmod(0o666)
    ((what, detail, fix),) = writable_files(made)
    assert what == kind
    assert str(tmp_path / name) in detail
    assert fix == f"chmod o-w {tmp_path / name}"


def test_a_folder_in_which_every_account_may_exchange_the_file_is_warned_of(
    tmp_path: Path,
) -> None:
    (tmp_path / "open").mkdir()
    made = catalogue(tmp_path / "open")
    (tmp_path / "open").chmod(0o777)
    said = [fix for _, _, fix in writable_files(made)]
    assert set(said) == {f"chmod o-w {tmp_path / 'open'}"}
    (tmp_path / "open").chmod(0o1777)
    assert list(writable_files(made)) == [], "there nobody may exchange another's file"


def test_a_link_is_judged_by_the_file_that_it_leads_to(tmp_path: Path) -> None:
    made = catalogue(tmp_path)
    real = tmp_path / "real"
    (tmp_path / "token").rename(real)
    (tmp_path / "token").symlink_to(real)
    assert list(writable_files(made)) == []
    real.chmod(0o606)
    ((_, _, fix),) = writable_files(made)
    assert fix == f"chmod o-w {real}"
    real.chmod(0o600)
    (tmp_path / "open").mkdir()
    (tmp_path / "open/link").symlink_to(real)
    (tmp_path / "open").chmod(0o777)
    target = make_target(secrets={"TOKEN": {"file": str(tmp_path / "open/link")}}, hosts=())
    ((_, _, fix),) = writable_files(replace(make_catalogue(target), path=str(real)))
    assert fix == f"chmod o-w {tmp_path / 'open'}", "there the link may be exchanged"
