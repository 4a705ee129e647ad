"""Stage, shift, promote, deploy and restore on a host with colours, and what a cut leaves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    analysis,
    colour_deploy,
    colour_ground,
    colour_restore,
    colour_retire,
    colour_shift,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.analysis_rules import read_metrics
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.releases import BAD
from ansible_collections.fraisier.deploy.plugins.module_utils.wanted import Wanted
from support.colours import Host, Killed, coloured_host  # noqa: F401  (fixture)

ONE, TWO, THREE = "1" * 40, "2" * 40, "3" * 40
BLUE, GREEN = "my-api@blue.service", "my-api@green.service"


def deploy(host: Host, version: str = ONE) -> None:
    host.run(colour_deploy.deploy, version)


def test_a_first_deployment_serves_as_blue(host: Host) -> None:
    site = host.run(colour_deploy.deploy, ONE)
    assert host.served() == {ONE: 100}
    assert host.current() == ONE
    assert host.record().live == "blue"
    assert site.result()["colours"]["ports"] == {"blue": 9000, "green": 9001}
    assert site.result()["staged"] is None
    assert site.switched
    assert host.world.enabled == {BLUE}


def test_the_next_one_serves_as_green_and_blue_is_stopped(host: Host) -> None:
    deploy(host)
    deploy(host, TWO)
    assert host.served() == {TWO: 100}
    assert set(host.world.units) == {GREEN}
    assert host.world.enabled == {GREEN}
    assert host.record().releases["blue"] is None


def test_what_runs_already_is_not_started_again(host: Host) -> None:
    deploy(host)
    host.world.effects.clear()
    site = host.run(colour_deploy.deploy, ONE)
    assert host.world.effects == []
    assert not site.changed
    assert not host.run(colour_deploy.stage, ONE).result()["staged"]


def test_what_is_staged_gets_no_request(host: Host) -> None:
    deploy(host)
    result = host.run(colour_deploy.stage, TWO).result()
    assert host.served() == {ONE: 100}
    assert set(host.world.units) == {BLUE, GREEN}
    assert result["staged"]["version"] == TWO
    assert result["staged"]["colour"] == "green"
    assert result["release"]["version"] == result["previous"]["version"] == ONE
    assert not result["switched"]
    assert host.world.enabled == {BLUE}, "a reboot starts nothing that nobody promoted"


def test_a_promoted_release_leaves_the_old_one_running(host: Host) -> None:
    deploy(host)
    host.run(colour_deploy.stage, TWO)
    result = host.run(colour_deploy.promote, TWO).result()
    assert host.served() == {TWO: 100}
    assert set(host.world.units) == {BLUE, GREEN}
    assert host.world.drained == set()
    assert (result["release"]["version"], result["previous"]["version"]) == (TWO, ONE)
    assert result["switched"]


def test_going_back_starts_nothing_where_the_old_one_runs(host: Host) -> None:
    deploy(host)
    host.run(colour_deploy.stage, TWO)
    host.run(colour_deploy.promote, TWO)
    host.world.effects.clear()
    host.run(colour_restore.restore, Wanted(mark_bad=True))
    assert not [effect for effect in host.world.effects if effect.startswith("restart")]
    assert host.served() == {ONE: 100}
    assert set(host.world.units) == {BLUE}
    assert [r.status for r in host.site().ledger.all() if r.version == TWO] == [BAD]


def test_going_back_starts_what_was_stopped(host: Host) -> None:
    deploy(host)
    deploy(host, TWO)
    host.run(colour_restore.restore, Wanted())
    assert host.served() == {ONE: 100}
    assert host.current() == ONE
    assert set(host.world.units) == {BLUE}


def test_a_bad_release_is_stopped_and_nobody_noticed(host: Host) -> None:
    deploy(host)
    host.world.bad.add(TWO)
    site = host.site()
    with pytest.raises(Failure, match="is not healthy"):
        colour_deploy.stage(site, TWO)
    assert site.result()["staged"] is None
    assert not site.switched
    assert host.served() == {ONE: 100}
    assert set(host.world.units) == {BLUE}
    assert [r.status for r in host.site().ledger.all() if r.version == TWO] == [BAD]


@pytest.mark.parametrize("verb", [colour_deploy.deploy, colour_deploy.stage])
def test_a_bad_release_leaves_the_live_slot_all_traffic(
    host: Host, verb: Callable[..., None]
) -> None:
    """`deploy` is what recreate and rolling run on a host, `stage` what the others begin with."""
    deploy(host)
    host.world.bad.add(TWO)
    with pytest.raises(Failure, match="is not healthy"):
        host.run(verb, TWO)
    assert host.served() == {ONE: 100}
    assert host.current() == ONE
    assert set(host.world.units) == host.world.enabled == {BLUE}
    assert (host.record().live, host.record().staged) == ("blue", None)
    assert not [each for each in host.world.effects if "'green': 100" in each], "not for a moment"


@pytest.mark.parametrize("verb", [colour_deploy.deploy, colour_deploy.stage])
def test_a_bad_first_release_leaves_the_plain_unit_as_it_was(
    host: Host, verb: Callable[..., None]
) -> None:
    host.world.units["my-api.service"] = "plain"
    host.world.texts["my-api.service"] = "[Unit]"
    host.world.enabled.add("my-api.service")
    host.world.bad.add(ONE)
    with pytest.raises(Failure, match="is not healthy"):
        host.run(verb, ONE)
    assert host.world.units == {"my-api.service": "plain"}
    assert host.world.enabled == {"my-api.service"}
    assert host.record().live is None
    assert not any(host.world.weights.values())


def test_a_promoted_release_starts_with_the_system_beside_the_one_that_waits(host: Host) -> None:
    deploy(host)
    host.run(colour_deploy.stage, TWO)
    host.run(colour_deploy.promote, TWO)
    assert host.world.enabled == set(host.world.units) == {BLUE, GREEN}
    host.run(colour_restore.restore, Wanted())
    assert host.world.enabled == set(host.world.units) == {BLUE}


def test_a_failed_build_leaves_the_instant_way_back(host: Host) -> None:
    deploy(host)
    host.run(colour_deploy.stage, TWO)
    host.run(colour_deploy.promote, TWO)
    with pytest.raises(Failure, match="SHA"):
        host.run(colour_deploy.stage, "main")
    assert set(host.world.units) == {BLUE, GREEN}


def test_what_is_staged_is_taken_back(host: Host) -> None:
    deploy(host)
    live = host.site().ledger.current()
    host.run(colour_deploy.stage, TWO)
    host.run(colour_shift.shift, 10, 0, [])
    assert host.served() == {ONE: 90, TWO: 10}
    site = host.run(colour_restore.restore, Wanted(to=live, mark_bad=True))
    assert host.served() == {ONE: 100}
    assert set(host.world.units) == {BLUE}
    assert site.result()["staged"] is None
    assert not site.switched
    assert {r.version: r.good for r in host.site().ledger.all()} == {ONE: True, TWO: False}


def test_nothing_staged_is_nothing_to_promote(host: Host) -> None:
    with pytest.raises(Failure) as caught:
        host.run(colour_deploy.promote, None)
    assert caught.value.code == "nothing_staged"
    deploy(host)
    assert not host.run(colour_deploy.promote, ONE).changed
    with pytest.raises(Failure) as caught:
        host.run(colour_deploy.promote, TWO)
    assert caught.value.code == "staged_differs"


def test_the_plain_unit_serves_until_the_first_colour_does(host: Host) -> None:
    host.world.units["my-api.service"] = "plain"
    host.world.texts["my-api.service"] = "[Unit]"
    host.world.enabled.add("my-api.service")
    host.run(colour_deploy.stage, ONE)
    assert "my-api.service" in host.world.units
    host.run(colour_deploy.promote, ONE)
    assert host.world.units.keys() == {BLUE}
    assert host.world.enabled == {BLUE}
    stopped = host.world.effects.index("disable my-api.service")
    assert host.world.effects.index("weights {'blue': 100, 'green': 0}") < stopped


def test_nothing_is_left_where_nothing_served_before(host: Host) -> None:
    deploy(host)
    host.run(colour_restore.restore, Wanted(nothing=True, mark_bad=True))
    assert host.world.units == {}
    assert host.world.weights == {}
    assert host.current() is None
    deploy(host, TWO)
    assert host.served() == {TWO: 100}


def test_a_service_without_a_proxy_any_more_has_no_colours(host: Host) -> None:
    deploy(host)
    host.run(colour_retire.retire)
    assert host.world.units == {}
    assert host.world.weights == {}
    assert host.current() == ONE, "which the plain unit runs by now"
    assert not (host.world.folder / "blue").exists()
    host.run(colour_retire.retire)
    deploy(host, TWO)
    assert host.served() == {TWO: 100}


def test_a_failed_analysis_takes_the_traffic_at_once(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deploy(host)
    host.run(colour_deploy.stage, TWO)
    monkeypatch.setattr(analysis, "require_heard", lambda: None)
    metrics = read_metrics(
        [{"type": "exec", "command": ["/bin/false"], "interval": 0.1, "name": "own"}]
    )
    site = host.site()
    with pytest.raises(Failure) as caught:
        colour_shift.shift(site, 20, 30.0, metrics)
    assert caught.value.code == "analysis_failed"
    assert "own: result is 1" in caught.value.message
    assert host.world.weights == {"blue": 100, "green": 0}
    assert site.switched
    assert site.result()["staged"]["version"] == TWO
    assert [r.status for r in host.site().ledger.all() if r.version == TWO] == [BAD]


@pytest.mark.parametrize("error", [Failure("terminated", "gone"), KeyboardInterrupt()])
def test_whatever_ends_the_measuring_takes_the_traffic(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    deploy(host)
    host.run(colour_deploy.stage, TWO)

    def end(*_: object) -> None:
        assert host.world.weights == {"blue": 80, "green": 20}
        raise error

    monkeypatch.setattr(analysis, "watch", end)
    with pytest.raises(type(error)):
        host.run(colour_shift.shift, 20, 30.0, [])
    assert host.world.weights == {"blue": 100, "green": 0}


Verb = Callable[[Host], object]
VERBS: dict[str, Verb] = {
    "stage": lambda host: host.run(colour_deploy.stage, TWO),
    "deploy": lambda host: host.run(colour_deploy.deploy, TWO),
    "promote": lambda host: host.run(colour_deploy.promote, TWO),
    "shift": lambda host: host.run(colour_shift.shift, 10, 0, []),
    "restore": lambda host: host.run(colour_restore.restore, Wanted(version=ONE)),
}


@pytest.mark.parametrize("after", ["probe", "restore", "deploy"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_process_that_dies_anywhere_leaves_what_can_be_put_right(
    host: Host,
    verb: str,
    after: str,
) -> None:
    """I14: at each effect in turn; nobody is without an answer, then or afterwards."""
    cuts = 0
    while True:
        _forget(host)
        deploy(host)
        if verb in ("promote", "shift"):
            host.run(colour_deploy.stage, TWO)
        if verb == "restore":
            deploy(host, TWO)
        host.world.lives_again()
        host.world.dies_at = cuts
        try:
            VERBS[verb](host)
        except Killed:
            pass
        else:
            break
        host.world.lives_again()
        assert sum(host.served().values()) == 100, "somebody serves"
        site = host.site()
        colour_ground.heal(site.ledger)
        live = host.record().live
        assert live is not None
        assert host.world.weights[live] == 100
        assert host.served() == {host.current(): 100}, "what is told is true"
        if after == "restore":
            host.run(colour_restore.restore, Wanted(version=ONE, mark_bad=True))
            assert host.served() == {ONE: 100}
        if after == "deploy":
            deploy(host, THREE)
            assert host.served() == {THREE: 100}
            assert len(host.world.units) == 1
            assert len(host.world.enabled) == 1
        cuts += 1
    assert cuts, "there was something to cut"


def _forget(host: Host) -> None:
    """Have nothing there, as in the beginning."""
    host.world.lives_again()
    if (host.world.folder / ".fraisier/colours.json").exists():
        host.run(colour_restore.restore, Wanted(nothing=True))
        for release in host.site().ledger.all():
            host.site().ledger.remove(release.id)
    host.world.lives_again()
