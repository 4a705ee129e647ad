"""The tests can fail: with a part taken out that keeps services safe, a test of it turns red."""

from __future__ import annotations

import shutil
import traceback
from pathlib import Path

import pytest
import scenarios

from support import mutants
from support.command import Fraisier
from support.mutants import Mutation
from support.target import Target

ROOT = Path(__file__).parents[2]
MODULES = "ansible_collections.fraisier.deploy.plugins.module_utils"

FENCE = Mutation(
    f"{MODULES}.fence_rules:next_number",
    "if not ours and holder.binding(boot, now):",
    "if False:",
)
ROLLBACK = Mutation(
    "fraisier.engine.attempt:Attempt._go_back",
    "for step in way_back(self._target, self._plan.strategy, failed, moved):",
    "for step in ():",
)
LEASE = Mutation(
    "fraisier.store.workers:Workers._require_alive",
    "if row is None or row.lease_until < lease_now(connection):",
    "if row is None:",
)
CURSOR = Mutation(
    "fraisier.engine.relay:_Serving._turn",
    "reached = _reached(notices[:count])",
    "reached = _reached(notices)",
)
SIGNATURE = Mutation("fraisier.webhooks.incoming.verifying:_any", "if not any(found):", "if False:")
SIGNATURE_OF_STANDARD_WEBHOOKS = Mutation(
    "fraisier.webhooks.incoming.verifying:_same",
    "return hmac.compare_digest(digest, given)",
    "return True",
)
TOKEN = Mutation(
    "fraisier.engine.tokens:Tokens.recognise",
    "if found is None or not found.valid_at(now()):",
    "if found is None:",
)
SCOPE = Mutation(
    "fraisier.api.access:_require_scope",
    "if needed is None or not asker().scope.reaches(needed):",
    "if needed is None:",
)
CASES = [
    pytest.param(
        FENCE,
        "unit/collection/test_collection_fence.py"
        "::test_a_foreign_holder_is_refused_by_name_unless_forced",
        id="fence",
    ),
    pytest.param(
        ROLLBACK,
        "unit/engine/test_attempt.py"
        "::test_the_roll_out_stops_at_the_first_bad_batch_and_everything_goes_back",
        id="rollback",
    ),
    pytest.param(
        LEASE,
        "contract/test_store.py::test_a_lease_that_ran_out_is_lost_for_good",
        id="worker-lease",
    ),
    pytest.param(
        CURSOR,
        "contract/test_relay.py::test_what_a_sink_takes_in_part_goes_on_where_it_ended",
        id="relay-cursor",
    ),
    pytest.param(
        SIGNATURE,
        "unit/webhooks/incoming/test_incoming_verifying.py"
        "::test_a_signature_is_right_to_the_letter",
        id="webhook-signature",
    ),
    pytest.param(
        SIGNATURE_OF_STANDARD_WEBHOOKS,
        "unit/webhooks/incoming/test_incoming_verifying.py"
        "::test_a_moment_is_bound_to_its_signature",
        id="standard-webhooks-signature",
    ),
    pytest.param(
        TOKEN,
        "unit/api/test_access_api.py::test_a_revoked_token_is_refused_at_the_next_request",
        id="token-check",
    ),
    pytest.param(
        SCOPE,
        "unit/api/test_access_api.py::test_a_token_opens_what_its_scope_reaches_and_nothing_else",
        id="token-scope",
    ),
]


@pytest.mark.parametrize(("mutation", "test"), CASES)
def test_without_it_a_test_turns_red(mutation: Mutation, test: str) -> None:
    """Each of these tests is one of the suite, where it must be green with nothing taken out."""
    assert mutants.failures(test, mutation) == ["call"], "the mutant passes, or cannot even begin"


#: What is taken out for a real host: the file, the line that does it, and what stands there then.
HEALTH_CHECK = (
    "collections/ansible_collections/fraisier/deploy/plugins/module_utils/activate.py",
    "        if not verdict.passed:",
    "        if 0:",
)


def mutated(folder: Path, mutation: tuple[str, str, str]) -> list[Path]:
    """Copy both halves of Fraisier with one line changed; return what goes on PYTHONPATH."""
    name, before, after = mutation
    ignored = shutil.ignore_patterns("__pycache__", "extensions", "output")
    for part in ("fraisier", "collections"):
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    text = (folder / name).read_text()
    assert text.count(before) == 1, f"the line to take out of {name} is not there once"
    (folder / name).write_text(text.replace(before, after))
    return [folder, folder / "collections"]


def test_without_the_health_check_a_bad_release_stays_on_a_real_host(
    target: Target, tmp_path: Path
) -> None:
    """What is tested here is that the scenarios see what the modules on the hosts do."""
    path = mutated(tmp_path / "mutant", HEALTH_CHECK)
    target.fraisier = Fraisier(target.folder, path)
    with pytest.raises(AssertionError) as caught:
        scenarios.check_bad_release(target)
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert "first_deployment" not in frames, "the mutant cannot even do what is not mutated"
