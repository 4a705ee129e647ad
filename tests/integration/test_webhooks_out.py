"""Webhooks that go out to real receivers: those that answer well, badly, slowly or not at all."""

from __future__ import annotations

import json
import smtplib
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP
from standardwebhooks import Webhook

from fraisier.domain.delivery import (
    DeliveryFilter,
    DeliveryStatus,
    Endpoint,
)
from fraisier.domain.errors import NotFound, Refused
from fraisier.domain.ids import now
from fraisier.domain.secret import SecretReference
from fraisier.store import SqlStore
from fraisier.webhooks.outgoing import Sender, door
from support.receiving import (
    OK,
    Behave,
    answer,
    certified,
    closed_port,
    dripping,
    hanging,
    hanging_up,
    listening,
    saying,
    silent,
    told,
)
from support.records import open_records
from support.sending import KEY, SECOND, SECRETS, Out, hook
from support.target import until


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = open_records(tmp_path / "records.db")
    yield opened
    opened._engine.dispose()


def problem_of(store: SqlStore, behave: Behave, **more: Any) -> str:
    """Return what the log says of one attempt at a receiver that behaves so."""
    with listening(behave) as server:
        out = Out(store, hook(server.url()), **more)
        out.tell(told())
        began = time.monotonic()
        delivery = out.send()
    assert time.monotonic() - began < 15, "an attempt takes a second here"
    assert delivery["status"] == "pending"
    return str(delivery["attempts"][-1]["problem"])


def test_what_is_sent_verifies_with_an_independent_library(store: SqlStore) -> None:
    with listening(saying(OK)) as server:
        out = Out(store, hook(server.url("/a?b=c"), "hook", "KEY", "OLD"))
        out.tell(told())
        delivery = out.send()
    assert delivery["status"] == "delivered"
    (got,) = server.got
    assert got.path == "/a?b=c"
    assert got.headers["webhook-id"] == delivery["id"]
    body = Webhook(KEY).verify(got.body, got.headers)
    assert (body["event"], body["status"]) == ("deployment.completed", "success")
    assert got.headers["webhook-signature"].count("v1,") == 2
    assert got.headers["host"] == f"127.0.0.1:{server.port}"
    for wrong in (got.body + b" ", got.body.replace(b"success", b"failure")):
        with pytest.raises(Exception, match="signature"):
            Webhook(KEY).verify(wrong, got.headers)


@pytest.mark.parametrize(
    ("behave", "said"),
    [
        (hanging, "no answer within 1 s"),
        (dripping, "no answer within 1 s"),
        (silent, "no answer within 1 s"),
        (hanging_up, "its answer is not HTTP"),
        (saying(b"SSH-2.0-x\r\n"), "its answer is not HTTP"),
        (saying(answer(500, b"it broke <b>\x1b[31m\nhere")), 'it broke <b> [31m here"'),
        (saying(answer(404)), "it answered 404 Not Found"),
        (saying(answer(302, Location="http://169.254.169.254/")), "redirects are not followed"),
        (saying(answer(299)), ""),
        (saying(answer(200, b"x" * 10_000_000)), ""),
    ],
)
def test_what_a_receiver_does_is_in_the_log(store: SqlStore, behave: Behave, said: str) -> None:
    if not said:
        with listening(behave) as server:
            out = Out(store, hook(server.url()))
            out.tell(told())
            assert out.send()["status"] == "delivered"
    else:
        assert said in problem_of(store, behave)


def test_one_that_refuses_connections_is_tried_by_the_schedule_and_then_given_up(
    store: SqlStore,
) -> None:
    out = Out(store, hook(f"http://127.0.0.1:{closed_port()}/"))
    out.tell(told())
    waits = []
    for _ in range(10):
        due = now() + out.ahead
        delivery = out.send()
        if delivery["next_at"] is None:
            break
        row = store.delivery(delivery["id"])
        assert row.next_at is not None
        waits.append((row.next_at - due) // SECOND)
        assert not out.sender.send_next("hook"), "not before it is due"
        out.ahead = row.next_at - now() + 1000
    nominal = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert [pytest.approx(each, abs=2) for each in nominal] == waits
    assert (delivery["status"], len(delivery["attempts"])) == ("failed", 10)
    assert {each["problem"] for each in delivery["attempts"]} == {"the connection was refused"}
    assert out.state()["enabled"], "that took three days and a little"


def test_one_that_only_fails_for_five_days_is_disabled(store: SqlStore) -> None:
    out = Out(store, hook(f"http://127.0.0.1:{closed_port()}/"))
    out.tell(told(1))
    out.send()
    assert out.state()["failing_since"]
    out.ahead = 5 * 86_400 * SECOND + SECOND
    out.tell(told(2), told(3))
    out.send()
    state = out.state()
    assert not state["enabled"]
    assert "nothing but failures for 5 days; the last: the connection" in state["disabled_reason"]
    assert [each["status"] for each in out.log()] == ["not_sent"] * 3


def test_one_that_is_gone_is_disabled_at_once_and_a_test_enables_it(store: SqlStore) -> None:
    with listening(saying(answer(410), answer(410), OK)) as server:
        out = Out(store, hook(server.url()))
        out.tell(told(1), told(2))
        out.send()
        delivery = out.log()[0]
        assert [each["status"] for each in out.log()] == ["failed", "not_sent"]
        assert out.state()["disabled_reason"] == "it answered 410 Gone"
        with pytest.raises(Refused, match="is disabled"):
            out.desk.redeliver(delivery["id"], "cli:me")
        assert out.desk.test("hook", "cli:me")["status"] == "failed"
        assert not out.state()["enabled"]
        assert out.desk.test("hook", "cli:me")["status"] == "delivered"
        assert out.state()["enabled"]
        again = out.desk.redeliver(delivery["id"], "cli:me")
        assert (again["id"], again["status"]) == (delivery["id"], "pending")
        assert out.send()["event"] == "ping", "the newest"
        assert out.log()[0]["status"] == "delivered"
    assert server.got[-1].headers["webhook-id"] == delivery["id"]


@pytest.mark.parametrize(("status", "header"), [(429, "120"), (503, "120"), (429, "nonsense")])
def test_a_receiver_may_ask_for_time(store: SqlStore, status: int, header: str) -> None:
    with listening(saying(answer(status, Retry_After=header))) as server:
        out = Out(store, hook(server.url()))
        out.tell(told())
        delivery = out.send()
    row = store.delivery(delivery["id"])
    assert row.next_at is not None
    wanted = 120 if header == "120" else 5
    assert (row.next_at - now()) / SECOND == pytest.approx(wanted, abs=3)


def test_one_that_recovers_gets_what_it_missed_in_order(store: SqlStore) -> None:
    with listening(saying(answer(500), answer(500), answer(500), OK)) as server:
        out = Out(store, hook(server.url(), events=("*",)))
        out.tell(*(told(number) for number in (1, 2, 3)))
        with out.sending():
            until(lambda: all(each["attempts"] for each in out.log()))
            out.ahead = 10 * SECOND
            out.sender.ring()
            until(lambda: {each["status"] for each in out.log()} == {"delivered"})
    assert out.state()["failing_since"] is None
    first = [json.loads(got.body)["event_id"] for got in server.got[:3]]
    assert first == [f"evt_dep_1_{number}" for number in (1, 2, 3)]


def test_one_that_hangs_delays_no_other(store: SqlStore) -> None:
    """Two hundred events get to the good one while the bad one holds its connection."""
    with listening(hanging) as bad, listening(saying(OK)) as good:
        out = Out(store, hook(bad.url(), "bad"), hook(good.url(), "good"))
        with out.sending():
            out.tell(*(told(number, stream_id=f"dep_{number}") for number in range(200)))
            until(lambda: len(good.got) == 200, 60)  # one after the other they took 200 s
    assert out.state("good")["pending"] == 0
    assert out.state("bad")["pending"] == 200


def test_a_process_that_ends_sends_what_is_due_first(store: SqlStore) -> None:
    """So a command that works alone tells of its end."""
    with listening(saying(OK)) as server:
        out = Out(store, hook(server.url()))
        for first in (0, 20):
            out.sender.start()
            out.tell(*(told(number) for number in range(first, first + 20)))
            out.sender.stop()
            assert len(server.got) == first + 20
    assert out.state()["pending"] == 0


def test_what_is_cut_at_the_end_is_sent_by_whoever_comes_next(store: SqlStore) -> None:
    with listening(hanging) as server:
        out = Out(store, hook(server.url()))
        out.sender = Sender(store, out.sender._receivers, seconds=30.0)
        out.tell(told())
        out.sender.start()
        until(lambda: len(server.got) == 1)
        began = time.monotonic()
        out.sender.stop(0.2)
        assert time.monotonic() - began < 15, "the attempt may take 30 s"
    (left,) = out.log()
    assert (left["status"], left["attempts"]) == ("pending", [])
    assert store.claim_delivery("hook", now() + SECOND, now()) is not None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/", "http://127.1:{port}/", "http://2130706433:{port}/",
        "http://0x7f000001:{port}/", "http://0.0.0.0:{port}/", "http://localhost:{port}/",
        "http://[::1]:{port}/", "http://[::ffff:127.0.0.1]:{port}/",
        "http://[64:ff9b::7f00:1]:{port}/", "https://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/", "http://192.168.0.1/", "http://100.64.0.1/", "http://[fd00::1]/",
        "http://[fe80::1]/",
    ],
)  # fmt: skip
def test_private_receivers_are_not_reached(store: SqlStore, url: str) -> None:
    """S8."""
    with listening(saying(OK)) as server:
        out = Out(store, hook(url.format(port=server.port)), networks=())
        out.tell(told())
        problem = out.send()["attempts"][-1]["problem"]
        assert server.begun == [], "nobody even connected"
    assert "is not public; if it is meant, list its network" in problem or "DNS" in problem


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://127.0.0.1:70/", "ftp://x/", "//x"])
def test_nothing_but_http_is_spoken(store: SqlStore, url: str) -> None:
    out = Out(store, hook(url))
    out.tell(told())
    assert "must be a whole https URL" in out.send()["attempts"][-1]["problem"]


def test_a_name_that_changes_its_address_meanwhile_gets_nowhere(store: SqlStore) -> None:
    """S8. DNS rebinding: what was checked is what is connected to, each time anew."""
    asked: list[str] = []

    def rebinding(name: str, port: int) -> list[str]:
        asked.append(name)
        return ["192.0.2.1"] if len(asked) == 1 else ["127.0.0.1"]

    with listening(saying(OK)) as server:
        out = Out(
            store, hook(f"http://rebind.example:{server.port}/"), networks=(), resolve=rebinding
        )
        out.tell(told())
        out.send()
        out.ahead = 3600 * SECOND
        problem = out.send()["attempts"][-1]["problem"]
        assert server.begun == []
    assert asked == ["rebind.example"] * 2, "once for each attempt"
    assert "rebind.example (127.0.0.1) is not public" in problem


def test_of_several_addresses_only_public_ones_count(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ["::ffff:10.0.0.1", "169.254.169.254", "127.0.0.1"]
    with listening(saying(OK)) as server:
        url = f"http://mixed.example:{server.port}/"
        out = Out(store, hook(url), networks=(), resolve=lambda *_: found)
        out.tell(told())
        assert "is not public" in out.send()["attempts"][-1]["problem"]
        assert server.begun == []
        loopback_is_public(monkeypatch)
        out.ahead = 3600 * SECOND
        out.send()
        until(lambda: len(server.begun) == 1)


def loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 127.0.0.1 stand for an address of the public network."""
    monkeypatch.setattr(door, "public", lambda address: str(address) == "127.0.0.1")


def test_no_proxy_of_the_environment_is_asked(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(saying(OK)) as proxy, listening(saying(OK)) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        out = Out(store, hook(server.url()))
        out.tell(told())
        assert out.send()["status"] == "delivered"
        assert (len(server.got), proxy.begun) == (1, [])


def test_a_certificate_has_to_be_the_receivers(store: SqlStore, tmp_path: Path) -> None:
    server_tls, trusted = certified(tmp_path, "receiver.example", "127.0.0.1")
    here: Mapping[str, Any] = {"resolve": lambda *_: ["127.0.0.1"], "tls": trusted}
    with listening(saying(OK), tls=server_tls) as server:
        for name, said in (("receiver.example", ""), ("other.example", "not accepted")):
            url = f"https://{name}:{server.port}/"
            out = Out(store, hook(url, name), **here)
            out.tell(told())
            delivery = out.send(name)
            assert said in delivery["attempts"][-1]["problem"]
            assert (delivery["status"] == "delivered") == (not said)
        out = Out(store, hook(f"https://receiver.example:{server.port}/", "strict"),
                  resolve=here["resolve"])  # fmt: skip
        out.tell(told())
        assert "certificate is not accepted" in out.send("strict")["attempts"][-1]["problem"]


def test_plain_http_is_for_listed_networks_only(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopback_is_public(monkeypatch)
    with listening(saying(OK)) as server:
        out = Out(store, hook(server.url()), networks=())
        out.tell(told())
        assert "http is only for receivers in" in out.send()["attempts"][-1]["problem"]
        assert server.got == [], "nothing was said on the open line"


@pytest.mark.parametrize(("secret", "said"), [("NOT_SET", "is not set"), ("SHORT", "shorter than")])
def test_without_a_fit_secret_nothing_is_sent(store: SqlStore, secret: str, said: str) -> None:
    """S15."""
    with listening(saying(OK)) as server:
        out = Out(store, hook(server.url(), "hook", secret))
        out.tell(told())
        assert said in out.send()["attempts"][-1]["problem"]
        assert server.begun == []


def test_chats_are_posted_their_shapes_and_no_secret_is_shown(store: SqlStore) -> None:
    shapes = {"slack": "text", "discord": "content", "teams": "attachments"}
    with ExitStack() as stack:
        servers, endpoints = {}, []
        for kind in shapes:
            behave = saying(answer(400, b"no such /T000/very-secret-token here"))
            servers[kind] = stack.enter_context(listening(behave))
            name = f"{kind.upper()}_URL"
            SECRETS[name] = servers[kind].url("/T000/very-secret-token")
            endpoints.append(Endpoint(kind, kind, SecretReference("env", name),
                                      events=("deployment.completed",)))  # fmt: skip
        out = Out(store, *endpoints)
        out.tell(told(), told(2, "deployment.started"))
        for kind, key in shapes.items():
            delivery = out.send(kind)
            assert len(out.log(kind)) == 1, "it is told of ends only"
            assert key in json.loads(servers[kind].got[0].body)
            assert "in production: success" in servers[kind].got[0].body.decode()
            assert "very-secret-token" not in json.dumps([delivery, out.state(kind)])
            assert "webhook-signature" not in servers[kind].got[0].headers


class Mailroom:
    """Keeps what is handed in."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    async def handle_DATA(  # noqa: N802 (the name is the library's)
        self, _server: SMTP, _session: Any, envelope: Any
    ) -> str:
        self.got.append(envelope)
        return "250 taken"


def test_email_gets_to_a_real_mail_server(store: SqlStore, tmp_path: Path) -> None:
    server_tls, trusted = certified(tmp_path, "localhost", "127.0.0.1")
    room = Mailroom()
    controller = Controller(room, hostname="127.0.0.1", port=closed_port(),
                            tls_context=server_tls, require_starttls=True)  # fmt: skip
    controller.start()
    try:
        endpoint = Endpoint("mail", "email", f"smtp://localhost:{controller.port}",
                            sender="Fraisier <fraisier@example.com>",
                            recipients=("ada@example.com", "bob@example.com"))  # fmt: skip
        out = Out(store, endpoint, tls=trusted, resolve=lambda *_: ["127.0.0.1"])
        out.tell(told(data={"status": "failed", "reason": "x\nBcc: evil@example.com"}))
        assert out.send("mail")["status"] == "delivered"
    finally:
        controller.stop()
    (envelope,) = room.got
    assert envelope.rcpt_tos == ["ada@example.com", "bob@example.com"]
    message = message_from_bytes(envelope.content, policy=policy.default)
    assert message["Subject"] == "[fraisier] my_api in production: failed"
    assert message["Bcc"] is None
    assert "evil@example.com" in message.get_content()


def test_a_mail_server_that_refuses_says_so_in_the_log(store: SqlStore) -> None:
    class Full(Mailroom):
        async def handle_DATA(self, *_: Any) -> str:  # noqa: N802
            return "452 the disk is full"

    controller = Controller(Full(), hostname="127.0.0.1", port=closed_port())
    controller.start()
    try:
        url = f"smtp://127.0.0.1:{controller.port}"
        endpoint = Endpoint("mail", "email", url, sender="a@example.com", recipients=("b@x.com",))
        out = Out(store, endpoint)
        out.tell(told())
        assert 'it answered 452: "the disk is full"' in out.send("mail")["attempts"][-1]["problem"]
        SECRETS["MAIL"] = f"smtp://me:hunter2-right@127.0.0.1:{controller.port}"
        login = replace(endpoint, id="login", url=SecretReference("env", "MAIL"))
        out = Out(store, login)
        out.tell(told())
        problem = out.send("login")["attempts"][-1]["problem"]
        assert "offers no TLS" in problem, "no password without TLS"
        assert "hunter2" not in json.dumps(out.log("login"))
    finally:
        controller.stop()
    assert smtplib.SMTP is not None


def test_what_cannot_be_sent_at_all_is_an_attempt_as_any_other(
    store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Python's library for email breaks at some addresses that look like one."""
    odd = Endpoint("hook", "email", "smtp://127.0.0.1:9", sender="a@b.c", recipients=(":.[';@.>",))
    out = Out(store, odd)
    out.tell(told())
    (tried,) = out.send()["attempts"]
    assert tried["problem"].startswith("it could not be sent (")
    assert out.log()[0]["next_at"] is not None
    assert "hook could not be sent" in caplog.text
    assert out.desk.test("hook", "cli:me")["status"] == "failed"


def test_a_test_of_nobody_is_not_found(store: SqlStore) -> None:
    out = Out(store, hook("https://example.com/"))
    with pytest.raises(NotFound, match='did you mean "hook"'):
        out.desk.test("hok", "cli:me")


def test_what_is_shown_of_receivers_holds_no_secret(store: SqlStore) -> None:
    out = Out(store, hook("https://example.com/T0/secret-path?key=secret-key"))
    state = out.state()
    assert state["to"] == "example.com"
    assert "secret" not in json.dumps(state)
    assert "secret-path" not in repr(out.endpoints["hook"])


def test_many_processes_send_each_once(store: SqlStore) -> None:
    """Three senders on the same records."""
    with listening(saying(OK)) as server:
        outs = [Out(store, hook(server.url())) for _ in range(3)]
        with ExitStack() as stack:
            for out in outs:
                stack.enter_context(out.sending())
            outs[0].tell(*(told(number, stream_id=f"dep_{number}") for number in range(60)))
            until(lambda: outs[0].state()["pending"] == 0, 30)
    ids = [got.headers["webhook-id"] for got in server.got]
    assert (len(ids), len(set(ids))) == (60, 60)
    filtered = DeliveryFilter("hook", DeliveryStatus.DELIVERED)
    assert store.count_deliveries(filtered) == 60
