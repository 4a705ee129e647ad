"""Ids, what to prune, what to go back to; and the ledger on a real disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.ledger import Ledger
from ansible_collections.fraisier.deploy.plugins.module_utils.releases import (
    BAD,
    GOOD,
    PREPARED,
    Layout,
    Release,
    choose,
    new_id,
    to_prune,
)

SHA = "0123456789abcdef0123456789abcdef01234567"


def _release(number: int, status: str = GOOD, previous: int | None = None) -> Release:
    before = None if previous is None else _id(previous)
    return Release(_id(number), SHA, "dep_1", status, float(number), float(number), before)


def _id(number: int) -> str:
    return f"20260101-0000{number:02d}-0123456"


def test_an_id_tells_its_time_and_commit() -> None:
    assert new_id(0.0, SHA, []) == "19700101-000000-0123456"


def test_two_releases_in_one_second_get_different_ids() -> None:
    first = new_id(0.0, SHA, [])
    second = new_id(0.0, SHA, [first])
    assert second == f"{first}-2"
    assert new_id(0.0, SHA, [first, second]) == f"{first}-3"


def test_the_newest_releases_are_kept() -> None:
    releases = [_release(number) for number in range(1, 8)]
    pruned = to_prune(releases, _id(7), _id(6), keep=5)
    assert {release.id for release in pruned} == {_id(1), _id(2)}


def test_the_current_release_and_the_one_before_are_never_pruned() -> None:
    releases = [_release(number) for number in range(1, 8)]
    pruned = to_prune(releases, _id(1), _id(2), keep=2)
    assert {release.id for release in pruned} == {_id(number) for number in range(3, 8)}


def test_bad_releases_are_pruned_before_good_ones() -> None:
    releases = [_release(1), _release(2), _release(3, BAD), _release(4, BAD), _release(5)]
    pruned = to_prune(releases, _id(5), _id(2), keep=3)
    assert {release.id for release in pruned} == {_id(3), _id(4)}


def test_going_back_means_to_what_served_before() -> None:
    releases = [_release(1), _release(2), _release(3, previous=1)]
    assert choose(releases, _id(3), None, None).id == _id(1)


def test_going_back_passes_over_a_bad_release() -> None:
    releases = [_release(1), _release(2, BAD), _release(3, previous=2)]
    assert choose(releases, _id(3), None, None).id == _id(1)


def test_going_back_twice_goes_further_back() -> None:
    releases = [_release(1), _release(2, previous=1), _release(3, previous=2)]
    assert choose(releases, _id(2), None, None).id == _id(1)


def test_a_release_can_be_named() -> None:
    releases = [_release(1, BAD), _release(2)]
    assert choose(releases, _id(2), _id(1), None).id == _id(1)


def test_a_version_means_its_newest_good_release() -> None:
    releases = [_release(1), _release(2), _release(3, BAD)]
    assert choose(releases, _id(3), None, SHA).id == _id(2)


@pytest.mark.parametrize(
    ("to", "version", "code"),
    [
        ("20260101-000009-0123456", None, "release_not_found"),
        ("../../etc", None, "release_not_found"),
        (None, "f" * 40, "release_not_found"),
        (None, None, "nothing_to_restore"),
    ],
)
def test_what_is_not_there_cannot_be_restored(
    to: str | None, version: str | None, code: str
) -> None:
    with pytest.raises(Failure) as caught:
        choose([_release(1)], _id(1), to, version)
    assert caught.value.code == code


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    layout = Layout(str(tmp_path))
    os.makedirs(layout.releases)
    os.makedirs(layout.records)
    return Ledger(layout)


def _make(ledger: Ledger, number: int, status: str = GOOD) -> Release:
    release = _release(number, status)
    ledger.open(release.id)
    return ledger.write(release)


def test_a_release_is_read_back_as_it_was_written(ledger: Ledger) -> None:
    release = _make(ledger, 1, PREPARED)
    assert ledger.get(release.id) == release
    assert ledger.all() == [release]


def test_switching_moves_the_files_and_the_environment_together(ledger: Ledger) -> None:
    first, second = _make(ledger, 1), _make(ledger, 2)
    for release in (first, second):
        ledger.switch(release.id)
        assert ledger.current() == release.id
        environment = Path(ledger.layout.state, os.readlink(ledger.layout.environment))
        assert str(environment) == ledger.layout.environment_of(release.id)
    assert os.readlink(ledger.layout.current) == f"releases/{second.id}"


def test_a_half_made_release_is_swept_with_all_its_traces(ledger: Ledger) -> None:
    whole = _make(ledger, 1)
    ledger.open(_id(2))
    Path(ledger.layout.tree(_id(2)), "file").write_text("x")
    Path(ledger.layout.record(_id(3)) + ".json").write_text('{"id": "cut of')
    assert ledger.sweep() == [_id(2), _id(3)]
    assert os.listdir(ledger.layout.releases) == [whole.id]
    assert sorted(os.listdir(ledger.layout.records)) == sorted([whole.id, whole.id + ".json"])


def test_folders_that_fraisier_did_not_make_are_left_alone(ledger: Ledger) -> None:
    for name in ("20240101120000", _id(5), "notes"):
        os.mkdir(os.path.join(ledger.layout.releases, name))
    assert ledger.sweep() == []
    assert len(os.listdir(ledger.layout.releases)) == 3


def test_removing_a_release_follows_no_link_out_of_it(ledger: Ledger, tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "file").write_text("x")
    release = _make(ledger, 1)
    os.symlink(outside, os.path.join(ledger.layout.tree(release.id), "link"))
    ledger.remove(release.id)
    assert (outside / "file").read_text() == "x"
    assert ledger.get(release.id) is None


@pytest.mark.parametrize("target", ["/somewhere/else", "releases/foreign", "releases/../x"])
def test_a_current_link_of_somebody_elses_is_refused(ledger: Ledger, target: str) -> None:
    os.symlink(target, ledger.layout.current)
    with pytest.raises(Failure) as caught:
        ledger.current()
    assert caught.value.code == "app_path_occupied"


def test_a_current_folder_is_refused(ledger: Ledger) -> None:
    os.mkdir(ledger.layout.current)
    with pytest.raises(Failure) as caught:
        ledger.current()
    assert caught.value.code == "app_path_occupied"


def test_a_switch_that_was_cut_half_way_is_put_right(tmp_path: Path) -> None:
    """I14: the environment is that of the release whose files are current."""
    layout = Layout(str(tmp_path))
    for folder in (layout.state, layout.records, layout.releases):
        os.makedirs(folder, exist_ok=True)
    ledger = Ledger(layout)
    for number in (1, 2):
        ledger.open(_id(number))
        ledger.write(_release(number))
    assert not ledger.mend(), "nothing is deployed"
    ledger.switch(_id(1))
    assert not ledger.mend()
    beside = os.path.join("releases", _id(2), "environment")
    os.unlink(layout.environment)
    os.symlink(beside, layout.environment)
    assert ledger.mend()
    assert ledger.current() == _id(1)
    assert os.readlink(layout.environment) == os.path.join("releases", _id(1), "environment")
    ledger.sweep()
    assert not ledger.mend()
