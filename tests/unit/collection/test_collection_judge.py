"""A release that was gone back to and is not healthy: a failure, or only a warning."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.judge import mark_of, unhealthy
from ansible_collections.fraisier.deploy.plugins.module_utils.releases import (
    BAD,
    GOOD,
    PREPARED,
    Release,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.report import Report

FAILED = Failure("health_check_failed", "api is not healthy", "look", "its log")


class Site:
    """What a judgement needs of a site."""

    def __init__(self, lenient: bool) -> None:
        self.lenient, self.doubtful, self.report = lenient, False, Report()
        self.around: dict[str, Any] = {"warnings": []}


@pytest.mark.parametrize(("lenient", "running"), [(False, True), (False, False), (True, False)])
def test_a_release_that_must_be_healthy_or_does_not_run_fails(lenient: bool, running: bool) -> None:
    site = Site(lenient)
    with pytest.raises(Failure):
        unhealthy(site, FAILED, running)
    assert not site.doubtful


@pytest.mark.parametrize("status", [GOOD, PREPARED, BAD])
def test_a_release_that_runs_and_cannot_be_judged_warns_and_keeps_its_mark(status: str) -> None:
    site = Site(lenient=True)
    unhealthy(site, FAILED, running=True)
    assert FAILED.message in site.around["warnings"][0]
    assert "its log" in site.report.log[0]["text"]
    assert mark_of(site, Release("1", "v", "d", status, 0.0)) == status


def test_a_release_that_passes_is_good() -> None:
    assert mark_of(Site(lenient=True), Release("1", "v", "d", PREPARED, 0.0)) == GOOD
