"""Who is let in by a NATS server, with what rights, and what is said to those who are not."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js.errors import NotFoundError

from fraisier.domain.errors import SinkUnavailable
from fraisier.nats import Connection, EventSubscriberRegistry, JetStreamSink, Security
from support.databases import NatsServer
from support.nats_accounts import accounts, certificate
from support.target import until
from support.telling import Listening, bus, connected, notice

SECRET = "hunter2-right"


def test_certificates_of_both_sides_let_in_and_their_lack_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cert, key = certificate(tmp_path, "server")
    mine, my_key = certificate(tmp_path, "client")
    options = (
        "--tls",
        f"--tlscert={cert}",
        f"--tlskey={key}",
        "--tlsverify",
        f"--tlscacert={mine}",
    )
    server = NatsServer(*options)
    url = server.url.replace("nats://", "tls://")
    try:
        good = Security(ca=str(cert), cert=str(mine), key=str(my_key))
        with connected(url, security=good) as sink:
            sink.look({})
            assert sink.publish([notice(1)]) == 1
        assert "CERTIFICATE_VERIFY_FAILED" in why_not(url, Security())
        for _ in range(20):  # what the client reads first, an alert or a reset, is luck
            nothing_shown = why_not(url, Security(ca=str(cert)))
            assert "asks for a certificate and was shown none" in nothing_shown
            assert "FRAISIER_NATS_TLS_CERT" in nothing_shown
        assert "No such file" in why_not(url, Security(ca=str(tmp_path / "none")))
    finally:
        server.close()


def test_credentials_let_in_and_wrong_ones_are_said_without_the_seed(tmp_path: Path) -> None:
    made = accounts(tmp_path)
    server = NatsServer("--config", str(made.config))
    wrong = tmp_path / "wrong.creds"
    try:
        with connected(server.url, security=Security(credentials=str(made.credentials))) as sink:
            sink.look({})
            assert sink.publish([notice(1)]) == 1
        (tmp_path / "other").mkdir()
        other = accounts(tmp_path / "other").credentials
        assert "authorization" in why_not(server.url, Security(credentials=str(other))).lower()
        wrong.write_text(f"{SECRET}\n")
        said = why_not(server.url, Security(credentials=str(wrong)))
        assert "holds no NATS credentials" in said
        assert SECRET not in said
        seed = made.credentials.read_text()
        wrong.write_text(seed.replace("\nSU", "\nSUX"))
        said = why_not(server.url, Security(credentials=str(wrong)))
        assert said
        assert "SUX" not in said
    finally:
        server.close()


def test_a_password_lets_in_and_a_wrong_one_is_said_without_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = NatsServer("--user", "fraisier", "--pass", SECRET)
    try:
        with connected(server.url.replace("://", f"://fraisier:{SECRET}@")) as sink:
            sink.look({})
            assert sink.publish([notice(1)]) == 1
        said = why_not(server.url.replace("://", "://fraisier:hunter2-wrong@"), Security())
        assert "authorization" in said.lower()
        assert "hunter2" not in said + caplog.text
    finally:
        server.close()


def why_not(url: str, security: Security) -> str:
    """Return why there is no connection."""
    connection = Connection([url], "not let in", [JetStreamSink("ins")], security)
    connection.start()
    try:
        until(lambda: connection.trouble != "")
        assert not connection.connected
        return connection.trouble
    finally:
        connection.close()


def test_the_rights_that_the_guide_names_are_enough(tmp_path: Path) -> None:
    config = tmp_path / "rights.conf"
    api = '"$JS.API.>", "$JS.ACK.>"'
    config.write_text(
        "jetstream: {}\nauthorization: {users: ["
        f'{{user: a, password: b, permissions: {{publish: ["fraisier.>", {api}], '
        'subscribe: ["_INBOX.>"]}}, '
        f'{{user: c, password: d, permissions: {{publish: ["fraisier.dead_letter.>", {api}], '
        'subscribe: ["_INBOX.>"]}}]}\n'
    )
    server = NatsServer("--config", str(config))
    registry = EventSubscriberRegistry(bus(server.url.replace("://", "://c:d@")))
    registry.register(lambda event: event.data["missing"])
    admin = server.url.replace("://", "://a:b@")
    try:
        with connected(admin) as sink:
            sink.look({})
            sink.publish([notice(1)])
            begin = "2020-01-01T00:00:00Z"
            with Listening(registry, durable="x", since=begin, max_deliver=1):
                until(lambda: letters(admin), 60)
            dead = letters(admin)
        assert [letter.headers["Fraisier-Reason"] for letter in dead] == ["KeyError: 'missing'"]
    finally:
        server.close()


def letters(url: str) -> list[Any]:
    """Return the dead letters."""

    async def run() -> list[Any]:
        client = await nats.connect(url)
        jetstream = client.jetstream()
        try:
            count = (await jetstream.stream_info("FRAISIER_DEAD_LETTER")).state.messages
        except NotFoundError:
            count = 0
        found = [await jetstream.get_msg("FRAISIER_DEAD_LETTER", n + 1) for n in range(count)]
        await client.close()
        return found

    return asyncio.run(run())


def test_a_user_who_may_not_make_streams_is_told_so(tmp_path: Path) -> None:
    config = tmp_path / "rights.conf"
    config.write_text(
        "jetstream: {}\nauthorization: {users: [{user: a, password: b, "
        'permissions: {publish: ["fraisier.>"], subscribe: [">"]}}]}\n'
    )
    server = NatsServer("--config", str(config))
    try:
        with connected(server.url.replace("://", "://a:b@")) as sink:
            began = time.monotonic()
            with pytest.raises(SinkUnavailable, match="did not answer") as caught:
                sink.look({})
        assert time.monotonic() - began < 20
        assert "$JS.API" in caught.value.hint
    finally:
        server.close()
