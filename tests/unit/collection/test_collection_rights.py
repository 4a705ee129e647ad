"""Who may do what on a host, how systemd is told, and units that do not fit."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import ground, service, systemd, unit
from ansible_collections.fraisier.deploy.plugins.module_utils.commands import Finished, User
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.options import SERVICE
from ansible_collections.fraisier.deploy.plugins.module_utils.releases import IN_PLACE, Layout
from ansible_collections.fraisier.deploy.plugins.module_utils.systemd import (
    Manager,
    UnitSetup,
    parse_setup,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.unit_check import check_setup

ME = pwd.getpwuid(os.geteuid())
USER = User(ME.pw_name, ME.pw_uid, ME.pw_gid, ME.pw_dir)
DEPLOY = User("deploy", 1000, 1000, "/home/deploy")


def make_service(**options: Any) -> service.Service:
    """Return a service with these options, and defaults for the rest."""
    given = {
        **{name: option.get("default") for name, option in SERVICE.items()},
        "fraise": "my_api",
        "environment": "production",
        "repository": "/git/my-api.git",
        "app_path": "/opt/my-api",
        "service_name": "my-api",
        "service_user": "deploy",
        **options,
    }
    return service.from_options(given, options.get("secrets"))


class Recorded:
    """Stands for the programs of a host; remembers how they were called."""

    def __init__(self, code: int = 0, output: str = "") -> None:
        self.calls: list[tuple[list[str], Mapping[str, str]]] = []
        self._finished = Finished(code, output)

    def __call__(self, argv: Sequence[str], *, env: Mapping[str, str], timeout: float) -> Finished:
        self.calls.append((list(argv), env))
        return self._finished


@pytest.mark.parametrize(
    ("manager", "argv"),
    [
        (
            Manager(),
            ["systemctl", "--no-pager", "--no-ask-password", "restart", "--", "my-api.service"],
        ),
        (
            Manager("user"),
            ["systemctl", "--user", "--no-pager", "--no-ask-password", "restart", "--",
             "my-api.service"],
        ),
        (
            Manager("system", ("sudo", "-n")),
            ["sudo", "-n", "systemctl", "restart", "my-api.service"],
        ),
    ],
)  # fmt: skip
def test_systemd_is_told_by_the_right_that_there_is(
    manager: Manager, argv: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = Recorded()
    monkeypatch.setattr(systemd, "run", ran)
    manager.tell("restart", "my-api.service")
    assert ran.calls[0][0] == argv
    runtime = ran.calls[0][1].get("XDG_RUNTIME_DIR")
    assert runtime == (f"/run/user/{os.geteuid()}" if manager.scope == "user" else None)


def test_looking_needs_no_right(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = Recorded(output="LoadState=loaded\n")
    monkeypatch.setattr(systemd, "run", ran)
    assert Manager("system", ("sudo", "-n")).show("my-api.service").exists
    assert ran.calls[0][0][0] == "systemctl"


def test_a_unit_is_looked_at_once_systemd_has_done_what_it_was_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """I14: a restart whose module was killed goes on, and ends with another release running."""
    said = iter(["Job=7\n", "Job=7\n", "Job=\n"])
    monkeypatch.setattr(systemd, "run", lambda *_, **__: Finished(0, next(said)))
    assert Manager().wait_for_job("my-api.service")
    assert next(said, None) is None
    monkeypatch.setattr(systemd, "run", Recorded(output="Job=7\n"))
    assert not Manager().wait_for_job("my-api.service", 0.15)


def test_a_journal_that_may_not_be_read_is_told_and_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(systemd, "run", Recorded())
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    said = Manager("system", ("sudo", "-n")).journal("my-api.service")
    assert "systemd-journal" in said


SHOWN = """\
User=deploy
WorkingDirectory=!/opt/my-api
ExecStartPre={ path=/bin/true ; argv[]=/bin/true ; ignore_errors=no ; pid=0 }
ExecStart={ path=/opt/my-api/bin/start.sh ; argv[]=/opt/my-api/bin/start.sh --port 8000 ; pid=0 }
EnvironmentFiles=/etc/default/my-api (ignore_errors=yes)
EnvironmentFiles=/opt/my-api/.fraisier/environment (ignore_errors=no)
"""


def test_what_a_unit_starts_is_read() -> None:
    setup = parse_setup(SHOWN)
    assert setup.user == "deploy"
    assert setup.working_directory == "/opt/my-api"
    assert "/opt/my-api/bin/start.sh --port 8000" in setup.commands
    assert setup.environment_files == (
        "/etc/default/my-api", "/opt/my-api/.fraisier/environment",
    )  # fmt: skip


RELEASES, CHECKOUT = Layout("/opt/my-api"), Layout("/opt/my-api", IN_PLACE)
FITS = UnitSetup("deploy", "/opt/my-api/current", "argv[]=/usr/bin/python3 app.py ;")


@pytest.mark.parametrize(
    "setup",
    [
        FITS,
        UnitSetup("deploy", "", "argv[]=/opt/my-api/current/bin/start.sh ;"),
        UnitSetup("1000", "/opt/my-api/current/src", "argv[]=/usr/bin/app ;"),
        UnitSetup("deploy", "", "argv[]=/bin/sh -c cd /opt/my-api/current && exec ./app ;"),
    ],
)
def test_a_unit_that_works_in_current_fits(setup: UnitSetup) -> None:
    check_setup(setup, make_service(), RELEASES, DEPLOY)


@pytest.mark.parametrize(
    ("setup", "options", "layout", "code", "said"),
    [
        (
            UnitSetup("deploy", "", "argv[]=/opt/my-api/bin/start.sh ;"),
            {}, RELEASES, "unit_unsuitable", "ExecStart=/opt/my-api/bin/start.sh",
        ),
        (
            UnitSetup("deploy", "/opt/my-api/current-old", "argv[]=/usr/bin/app ;"),
            {}, RELEASES, "unit_unsuitable", "WorkingDirectory=/opt/my-api/current-old",
        ),
        (
            FITS, {"env_vars": {"A": "1"}}, RELEASES,
            "environment_unread", "/opt/my-api/.fraisier/environment",
        ),
        (
            FITS, {"secrets": {"A": "1"}}, CHECKOUT,
            "environment_unread", "/var/lib/fraisier/opt-my--api/environment",
        ),
        (
            UnitSetup("", "/opt/my-api/current", "argv[]=/usr/bin/app ;"),
            {}, RELEASES, "unit_user_differs", "runs as root, and service_user is deploy",
        ),
    ],
)  # fmt: skip
def test_a_unit_that_does_not_fit_is_refused_and_says_why(
    setup: UnitSetup, options: dict[str, Any], layout: Layout, code: str, said: str
) -> None:
    with pytest.raises(Failure) as caught:
        check_setup(setup, make_service(**options), layout, DEPLOY)
    assert caught.value.code == code
    assert said in caught.value.message
    assert caught.value.hint


def test_a_unit_that_reads_the_environment_file_fits_a_checkout() -> None:
    files = ("/var/lib/fraisier/opt-my--api/environment",)
    setup = UnitSetup("deploy", "", "argv[]=/opt/my-api/bin/start.sh ;", files)
    check_setup(setup, make_service(env_vars={"A": "1"}), CHECKOUT, DEPLOY)


def test_a_unit_for_a_users_own_systemd_names_no_user() -> None:
    text = make_service(exec=["bin/app"], systemd_scope="user").unit_text("/srv/a", "/srv/env")
    assert text is not None
    assert unit.is_ours(text)
    assert "User=" not in text
    assert "WantedBy=default.target" in text


def test_shared_paths_mean_nothing_in_a_checkout() -> None:
    with pytest.raises(Failure) as caught:
        make_service(layout="in_place", shared=["uploads"])
    assert caught.value.code == "service_invalid"
    assert "shared" in caught.value.message


def refusal(manager: Manager, user: User, **options: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        ground.require_rights(make_service(**options), user, manager)
    return caught.value


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this run be by a plain user, on a host that systemd runs."""
    monkeypatch.setattr(systemd, "present", lambda: True)
    monkeypatch.setattr(os, "geteuid", lambda: 65534)


NOBODY = User("nobody", 65534, 65534, "/nonexistent")
SUDO = Manager("system", ("sudo", "-n"))


@pytest.mark.usefixtures("plain")
def test_a_plain_user_cannot_act_as_another() -> None:
    found = refusal(SUDO, DEPLOY)
    assert found.code == "root_needed"
    assert "become: true" in found.hint


@pytest.mark.usefixtures("plain")
def test_a_plain_user_whose_services_end_with_the_login_is_told_of_lingering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ground, "LINGERING", str(tmp_path))
    found = refusal(Manager("user"), NOBODY, systemd_scope="user")
    assert found.code == "linger_missing"
    assert "loginctl enable-linger nobody" in found.hint
    (tmp_path / "nobody").touch()
    ground.require_rights(make_service(systemd_scope="user"), NOBODY, Manager("user"))


@pytest.mark.usefixtures("plain")
def test_a_plain_user_without_the_sudo_rule_is_told_which_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    denied = Recorded(code=1)
    monkeypatch.setattr(systemd, "run", denied)
    found = refusal(SUDO, NOBODY)
    assert found.code == "restart_denied"
    assert "/usr/bin/systemctl restart my-api.service" in found.hint
    assert denied.calls[0][0] == [
        "sudo", "-n", "-l", "systemctl", "restart", "my-api.service",
    ]  # fmt: skip
    monkeypatch.setattr(systemd, "run", Recorded())
    ground.require_rights(make_service(), NOBODY, SUDO)


@pytest.mark.usefixtures("plain")
def test_a_plain_user_cannot_write_a_unit_of_the_system() -> None:
    found = refusal(SUDO, NOBODY, exec=["bin/app"])
    assert found.code == "root_needed"
    assert "systemd_scope: user" in found.hint


def test_root_has_no_business_with_a_users_own_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "present", lambda: True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert refusal(Manager("user"), DEPLOY, systemd_scope="user").code == "scope_unsuitable"


def test_a_folder_that_only_its_user_can_exchange_is_fine(tmp_path: Path) -> None:
    folder = tmp_path / "apps"
    folder.mkdir(mode=0o755)
    ground.require_own_folder(str(folder / "not-there-yet"), USER)
    folder.chmod(0o777)
    with pytest.raises(Failure) as caught:
        ground.require_own_folder(str(folder / "not-there-yet"), USER)
    assert caught.value.code == "app_path_unsafe"
    assert str(folder) in caught.value.message


def test_a_group_that_nobody_else_is_in_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "apps"
    folder.mkdir()
    folder.chmod(0o775)

    class Group:
        gr_mem: Sequence[str] = ()

    monkeypatch.setattr(ground.grp, "getgrgid", lambda _number: Group())
    ground.require_own_folder(str(folder), USER)
    Group.gr_mem = ("somebody",)
    with pytest.raises(Failure):
        ground.require_own_folder(str(folder), USER)


def test_a_path_through_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(Failure) as caught:
        ground.require_own_folder(str(tmp_path / "link"), USER)
    assert "write the real path" in caught.value.hint
