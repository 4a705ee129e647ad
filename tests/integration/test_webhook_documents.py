"""The configuration and the receivers of docs/WEBHOOK_REFERENCE.md work as they are written."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import requests
import yaml

from fraisier.config import load
from fraisier.domain.delivery import Delivery, DeliveryStatus, Endpoint
from fraisier.domain.secret import Secret, SecretReference
from fraisier.webhooks.outgoing import Door, receivers_of
from fraisier.webhooks.outgoing.cutoff import Cutoff
from fraisier.webhooks.outgoing.payloads import webhook_body
from support.pages import page
from support.receiving import LOOPBACK, told
from support.server import free_port
from support.target import until

PAGE = page("docs/WEBHOOK_REFERENCE.md")
KEY = "whsec_" + "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="
RUNNERS = {"python": [sys.executable, "-u", "-c"], "javascript": ["node", "-e"]}


@pytest.mark.parametrize("block", list(PAGE.blocks("yaml")), ids=lambda block: str(block.line))
def test_a_configuration_of_the_document_is_valid(block: object, tmp_path: Path) -> None:
    file = tmp_path / "fraises.yaml"
    file.write_text(block.text)  # type: ignore[attr-defined]
    found = load(str(file))
    assert found.receivers or found.listening
    assert yaml.safe_load(file.read_text())


@pytest.mark.parametrize("language", RUNNERS)
def test_a_receiver_takes_what_is_signed_once_and_nothing_else(
    language: str, tmp_path: Path
) -> None:
    (block,) = PAGE.blocks(language)
    port, said = free_port(), tmp_path / "said"
    with said.open("w") as output:
        process = subprocess.Popen(
            [*RUNNERS[language], block.text],
            env={**os.environ, "HOOK_SECRET": KEY, "PORT": str(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: _answers(port) or process.poll() is not None, 20)
        assert process.poll() is None, said.read_text()
        assert [_sent(port, KEY), _sent(port, KEY)] == [204, 204]
        assert _sent(port, "whsec_" + "b" * 44) == 401
        assert _sent(port, KEY, at=1_000_000_000_000_000) == 401, "an old one that is repeated"
        for wrong in ("", "v1", "v1,", "v1,é", "x " * 500):
            shown = {"webhook-id": "a", "webhook-timestamp": "1", "webhook-signature": wrong}
            answer = requests.post(
                f"http://127.0.0.1:{port}", b"{}", headers=_encoded(shown), timeout=5
            )
            assert answer.status_code == 401
    finally:
        process.kill()
        process.wait()
    lines: Sequence[str] = [line for line in said.read_text().splitlines() if "deployment" in line]
    assert lines == ["deployment.completed my_api success"]


def _encoded(shown: dict[str, str]) -> dict[str, bytes]:
    return {name: value.encode() for name, value in shown.items()}


def _answers(port: int) -> bool:
    try:
        requests.post(f"http://127.0.0.1:{port}", b"{}", timeout=2)
    except requests.RequestException:
        return False
    return True


def _sent(port: int, key: str, at: int | None = None) -> int | None:
    """Return what a receiver answers to a real delivery."""
    url = f"http://127.0.0.1:{port}/"
    endpoint = Endpoint("hook", "webhook", url, (SecretReference("env", "KEY"),))
    receiver = receivers_of([endpoint], lambda _: Secret(key), Door(LOOPBACK))["hook"]
    notice = told()
    delivery = Delivery(
        "whk_1", "hook", notice.event_id, notice.event_type, "dep_1", webhook_body(notice, "i"),
        DeliveryStatus.PENDING, 0, 0, 0, None,
    )  # fmt: skip
    with Cutoff(5.0) as cutoff:
        moment = time.time_ns() // 1000 if at is None else at
        return receiver.send(delivery, moment, cutoff).status
