"""The modules of Coolify in this process: from their options to the JSON that they print.

A module runs as Ansible runs it, argument specification and hidden values included. Only what
concerns its own process is left out: the session, the signals, and sleeping. Time that a module
would sleep passes at once.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    coolify_follow,
    coolify_http,
    coolify_restore,
    coolify_site,
    fence,
    gate,
    running,
    seal,
)
from ansible_collections.fraisier.deploy.plugins.modules import (
    coolify_preflight,
    coolify_probe,
    coolify_release,
)
from support.coolify import TOKEN, App, Coolify
from support.coolify_target import SECRET


@dataclass
class Clock:
    """A clock whose sleep takes no time. It calls `at_pause` with the number of each sleep."""

    pauses: list[float] = field(default_factory=list)
    at_pause: Callable[[int], None] | None = None

    def monotonic(self) -> float:
        """Return the seconds that have passed, those slept included."""
        return time.monotonic() + sum(self.pauses)

    def sleep(self, seconds: float) -> None:
        """Let so many seconds have passed."""
        self.pauses.append(seconds)
        if self.at_pause is not None:
            self.at_pause(len(self.pauses))


class Answer(dict[str, Any]):
    """What a module answered."""

    @property
    def failed(self) -> bool:
        """True where the module failed."""
        return bool(self.get("failed"))

    @property
    def said(self) -> str:
        """Return everything in it, as text."""
        return json.dumps(self)


@dataclass
class Machine:
    """The machine that runs the modules for one application or service of a fake Coolify.

    `options` and `secrets` are those of the service and may be changed between runs.
    """

    server: Coolify
    app: App
    folder: Path
    clock: Clock
    token: str = TOKEN
    options: dict[str, Any] = field(init=False)
    secrets: dict[str, str] = field(default_factory=lambda: {"DATABASE_URL": SECRET})
    fences: list[fence.Fence] = field(default_factory=list)
    _deployments: Iterator[int] = field(default_factory=count)
    _deployment: str = ""

    def __post_init__(self) -> None:
        self.options = {
            "fraise": "my_api",
            "environment": "production",
            "url": self.server.url,
            "service_uuid" if self.app.stack else "application_uuid": self.app.uuid,
            "env_vars": {"LOG_LEVEL": "info"},
        }

    def deploy(self, version: str = "", **more: Any) -> Answer:
        """Run the step of a new deployment that deploys a version."""
        self._deployment = f"dep_{next(self._deployments):04}"
        return self._run(coolify_release.main, version=version, fence=self._claim(), **more)

    def good(self, version: str = "") -> Answer:
        """Deploy, and see that it succeeded."""
        answer = self.deploy(version)
        assert not answer.failed, answer
        return answer

    def run_restore(self, **more: Any) -> Answer:
        """Run the step that restores an earlier release."""
        return self._run(coolify_release.main, state="restored", fence=self._claim(), **more)

    def restore(self, **more: Any) -> Answer:
        """Restore an earlier release, and see that it succeeded."""
        answer = self.run_restore(**more)
        assert not answer.failed, answer
        return answer

    def go_back(self, after: Answer) -> Answer:
        """Do as `try_to_go_back`, and see that it succeeded."""
        answer = self.try_to_go_back(after)
        assert not answer.failed, answer
        return answer

    def try_to_go_back(self, after: Answer) -> Answer:
        """Do what Fraisier does after a deployment that failed once it had switched."""
        assert after["switched"], after
        previous = after["previous"]
        to = {"to": previous["id"]} if previous else {"nothing": True}
        return self.run_restore(mark_bad=True, **to)

    def check(self, version: str = "", **more: Any) -> Answer:
        """Run the check before a deployment."""
        return self._run(coolify_preflight.main, version=version, fence=self._claim(), **more)

    def probe(self, **more: Any) -> Answer:
        """See what runs."""
        return self._run(coolify_probe.main, **more)

    def begun(self) -> int:
        """Return how many deployments were begun at Coolify through its API."""
        return sum(each["is_api"] for each in self.app.deployments)

    def values(self) -> dict[str, str]:
        """Return the variables that Coolify has, with their values."""
        return {name: env["value"] for name, env in self.app.envs.items()}

    def _claim(self) -> dict[str, Any]:
        return {"installation": "machine", "deployment": self._deployment or "dep_none"}

    def _run(self, main: Callable[[], None], **options: Any) -> Answer:
        given = {
            "service": {name: value for name, value in self.options.items() if value is not None},
            "secret_environment": self.secrets,
            "secret_coolify": {"token": self.token},
            **options,
        }
        out = io.StringIO()
        try:
            with patch_module_args(given), redirect_stdout(out), pytest.raises(SystemExit):
                main()
        finally:
            while self.fences:  # a process that ends gives its locks up
                self.fences.pop().close()
        for hidden in (self.token, SECRET):  # whatever it was that went right or wrong
            assert not hidden or hidden not in out.getvalue()
        return Answer(json.loads(out.getvalue()))


@contextmanager
def machine(server: Coolify, app: App, folder: Path) -> Iterator[Machine]:
    """Yield a machine whose state is in a folder of its own."""
    clock = Clock()
    found = Machine(server, app, folder, clock)

    def open_fence(state: str) -> fence.Fence:
        found.fences.append(fence.Fence(state))
        return found.fences[-1]

    with pytest.MonkeyPatch.context() as patch:
        for module in (coolify_follow, coolify_http, coolify_restore):
            patch.setattr(module, "time", clock)
        timed = partial(gate.wait_until_healthy, clock=clock.monotonic, sleep=clock.sleep)
        patch.setattr(gate, "wait_until_healthy", timed)
        patch.setattr(coolify_site, "state_home", lambda: str(folder))
        patch.setattr(coolify_site, "Fence", open_fence)
        patch.setattr(running, "lead_session", lambda: None)
        patch.setattr(running, "_stop_on_signals", lambda: None)
        for module in (fence, seal):  # the run before was in this process, which must live on
            patch.setattr(module, "end_run", lambda _holder: False)
        yield found
