"""What `lab up` decides, without an engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fraisier.domain.errors import LabError
from fraisier.lab.model import LabHost
from fraisier.lab.plan import Plan, Wish, plan

IMAGE = "fraisier-lab:new"


def host(lab: str, number: int, last_octet: int, state: str = "running") -> LabHost:
    name = f"{lab}-{number}"
    return LabHost(name, f"127.0.10.{last_octet}", f"c-{name}", lab=lab, image=IMAGE, state=state)


def decide(wish: Wish, *existing: LabHost, taken: tuple[str, ...] = ()) -> Plan:
    occupied = {each.address for each in existing} | set(taken)
    return plan(wish, existing, IMAGE, lambda address: address not in occupied)


def test_an_empty_machine_gives_the_lowest_addresses() -> None:
    assert decide(Wish("demo", 2)).create == (("demo-1", "127.0.10.1"), ("demo-2", "127.0.10.2"))


def test_addresses_of_other_labs_and_of_other_programs_are_passed_over() -> None:
    todo = decide(Wish("demo", 2), host("other", 1, 1), taken=("127.0.10.2",))
    assert todo.create == (("demo-1", "127.0.10.3"), ("demo-2", "127.0.10.4"))
    assert todo.remove == ()


def test_a_lab_that_is_complete_is_left_alone() -> None:
    there = (host("demo", 1, 1), host("demo", 2, 2))
    assert decide(Wish("demo", 2), *there) == Plan((), there, (), ())


def test_a_lab_never_shrinks_unasked() -> None:
    there = (host("demo", 1, 1), host("demo", 2, 2))
    assert decide(Wish("demo", 1), *there).keep == there


def test_a_missing_host_gets_the_lowest_free_name_and_address() -> None:
    todo = decide(Wish("demo", 3), host("demo", 1, 1), host("demo", 3, 3))
    assert todo.create == (("demo-2", "127.0.10.2"),)


@pytest.mark.parametrize("state", ["exited", "paused"])
def test_a_stopped_host_is_started_again(state: str) -> None:
    stopped = host("demo", 1, 1, state)
    assert decide(Wish("demo", 1), stopped) == Plan((), (), (stopped,), ())


@pytest.mark.parametrize("state", ["created", "dead", "orphaned"])
def test_a_host_that_cannot_be_used_is_replaced_where_it_was(state: str) -> None:
    broken = host("demo", 1, 7, state)
    todo = decide(Wish("demo", 1), broken)
    assert todo.remove == (broken,)
    assert todo.create == (("demo-1", "127.0.10.7"),)


def test_a_stopped_host_of_an_older_image_is_replaced_and_a_running_one_kept() -> None:
    stopped = replace(host("demo", 1, 1, "exited"), image="fraisier-lab:old")
    running = replace(host("demo", 2, 2), image="fraisier-lab:old")
    todo = decide(Wish("demo", 2), stopped, running)
    assert (todo.remove, todo.keep) == ((stopped,), (running,))
    assert todo.create == (("demo-1", "127.0.10.1"),)


def test_reclaiming_removes_only_the_hosts_in_the_way() -> None:
    in_the_way, aside = host("other", 1, 1), host("other", 2, 2)
    todo = decide(Wish("demo", 1, reclaim=True), in_the_way, aside)
    assert todo.remove == (in_the_way,)
    assert todo.create == (("demo-1", "127.0.10.1"),)


def test_reclaiming_moves_the_labs_own_hosts_down_too() -> None:
    in_the_way, own = host("other", 1, 1), host("demo", 1, 5)
    todo = decide(Wish("demo", 1, reclaim=True), in_the_way, own)
    assert todo.remove == (in_the_way, own)
    assert todo.create == (("demo-1", "127.0.10.1"),)


def test_reclaiming_what_one_has_changes_nothing() -> None:
    own = host("demo", 1, 1)
    assert decide(Wish("demo", 1, reclaim=True), own, host("other", 1, 2)) == Plan(
        (), (own,), (), ()
    )


def test_reclaiming_passes_over_addresses_of_other_programs() -> None:
    todo = decide(Wish("demo", 1, reclaim=True), taken=("127.0.10.1",))
    assert todo.create == (("demo-1", "127.0.10.2"),)


def test_an_address_may_be_asked_for() -> None:
    todo = decide(Wish("demo", 1, addresses=("127.0.10.9",)), host("demo", 1, 1))
    assert todo.create == (("demo-2", "127.0.10.9"),)


def test_another_labs_address_is_refused_and_named() -> None:
    with pytest.raises(LabError, match='belongs to the lab "other"') as refused:
        decide(Wish("demo", 1, addresses=("127.0.10.1",)), host("other", 1, 1))
    assert "--reclaim" in refused.value.hint


def test_an_address_that_another_program_has_is_refused() -> None:
    with pytest.raises(LabError, match=r"another program has a port of 127\.0\.10\.1"):
        decide(Wish("demo", 1, addresses=("127.0.10.1",)), taken=("127.0.10.1",))


def test_a_kept_host_cannot_begin_to_publish_a_port() -> None:
    with pytest.raises(LabError, match="demo-1 does not publish port 9000") as refused:
        decide(Wish("demo", 1, ports=(9000,)), host("demo", 1, 1))
    assert "lab down --name demo" in refused.value.hint


def test_too_many_hosts_are_refused_with_the_number_that_would_fit() -> None:
    with pytest.raises(LabError, match="only 254 of the 300"):
        decide(Wish("demo", 300))
