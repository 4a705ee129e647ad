"""What failures say of what runs: nothing that whoever raises them cannot know."""

from __future__ import annotations

import re

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    compose_images,
    git_tree,
    migration,
    prepare,
    proxy_files,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.analysis import _judged
from ansible_collections.fraisier.deploy.plugins.module_utils.analysis_rules import read_metrics
from ansible_collections.fraisier.deploy.plugins.module_utils.commands import Finished
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure

ENDED = Finished(2, "no rule to make target")
METRIC = read_metrics(
    [{"type": "proxy", "measure": "error_rate", "success_condition": "result < 0.1"}]
)[0]


@pytest.mark.parametrize(
    "failure",
    [
        prepare._build_failure("make", ENDED, 1800),
        compose_images.build_failure("web", ENDED, 1800),
        git_tree.unpack_failure("a" * 40, "broken"),
        proxy_files.refused("[ALERT] x : y"),
        Failure("migration_failed", "the migration failed", migration._UP),
    ],
    ids=lambda failure: failure.code,
)
def test_a_failure_before_the_switch_claims_no_release_that_may_never_have_been(
    failure: Failure,
) -> None:
    assert failure.hint
    assert not re.search(r"serves|old release|served before", failure.message + failure.hint)


def test_an_analysis_without_requests_says_so() -> None:
    assert _judged(METRIC, None) == ("inconclusive", "no requests came")
