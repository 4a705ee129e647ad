"""Which tasks push, and what they refuse before anything is fetched."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.plugin_utils import push

PUSHED = {"service": {"source": "push"}, "version": "a" * 40}


@pytest.mark.parametrize(
    ("options", "pushes"),
    [
        (PUSHED, True),
        ({**PUSHED, "state": "deployed"}, True),
        ({**PUSHED, "state": "restored"}, False),
        ({**PUSHED, "version": None}, False),
        ({**PUSHED, "service": {"source": "fetch"}}, False),
        ({**PUSHED, "service": {}}, False),
        ({**PUSHED, "service": "no mapping"}, False),
    ],
)
def test_only_a_version_that_is_deployed_is_pushed(options: dict[str, Any], pushes: bool) -> None:
    assert push._pushes(options) is pushes


def test_an_archive_is_not_for_a_checkout() -> None:
    with pytest.raises(Failure) as caught:
        push._require_releases({"source": "push", "layout": "in_place"})
    assert caught.value.code == "service_invalid"
    push._require_releases({"source": "push", "layout": "releases"})


def test_a_host_that_fell_silent_is_told_by_its_first_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """I14: that the clean-up finds no connection does not mean that nothing ran there."""

    def silent(why: str) -> Any:
        def fail(*_: Any, **__: Any) -> None:
            raise AnsibleConnectionFailure(why)

        return fail

    action = object.__new__(push.PushingAction)
    action._task = SimpleNamespace(args={}, check_mode=False)
    action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/tmp/x"))
    monkeypatch.setattr(ActionBase, "run", lambda *_: {})
    monkeypatch.setattr(action, "_execute_module", silent("shared connection closed"))
    monkeypatch.setattr(action, "_remove_tmp_path", silent("Connection timed out"))
    with pytest.raises(AnsibleConnectionFailure, match="shared connection closed"):
        action.run()
