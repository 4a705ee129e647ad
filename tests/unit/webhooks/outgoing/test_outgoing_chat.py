"""What chats are told: nothing that is put into a template can ping, link or format."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fraisier.domain.delivery import Endpoint
from fraisier.domain.notice import Notice
from fraisier.domain.template import NAMES
from fraisier.webhooks.outgoing.chat import message_body, values_of
from fraisier.webhooks.outgoing.payloads import ping_notice
from support.receiving import told

HOSTILE = "@everyone <!channel> <@U1> <@&2> @here [x](https://evil.example) **b** `c` <https://e|f>"


def sent(kind: str, template: str | None = None, **more: Any) -> Any:
    endpoint = Endpoint("x", kind, "https://chat.example", template=template)
    return json.loads(message_body(endpoint, told(**more)))


def failed(reason: str) -> dict[str, Any]:
    return {"data": {"status": "failed", "reason": reason, "duration_seconds": None}}


def teams_text(body: Any) -> str:
    (card,) = body["attachments"]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    blocks = card["content"]["body"]
    assert {block["type"] for block in blocks} == {"RichTextBlock"}
    return "\n".join(run["text"] for block in blocks for run in block["inlines"])


def test_an_end_is_told_with_what_matters() -> None:
    assert sent("slack")["text"] == (
        "my_api in production: success, version 0123456, after 12.2 s, by cli:ada (dep_1)"
    )
    assert (
        sent("slack", **failed("3 of 4 hosts did not answer"))["text"]
        == ("my_api in production: success, version 0123456, after 12.2 s, by cli:ada (dep_1)")
        .replace("success", "failed")
        .replace("12.2 s", "-")
        + "\n3 of 4 hosts did not answer"
    )


def test_another_event_and_a_test_are_told_too() -> None:
    paused = sent("slack", event="deployment.paused", data={"weight": 10})
    assert paused["text"].startswith("my_api in production: paused (version 0123456")
    endpoint = Endpoint("x", "slack", "https://chat.example")
    text = json.loads(message_body(endpoint, ping_notice(1)))["text"]
    assert text == "Fraisier: a test\nThis is a test of Fraisier's notifications."


def test_a_change_of_health_is_told_with_its_host_and_no_deployment() -> None:
    endpoint = Endpoint("x", "slack", "https://chat.example")
    data = {"passed": False, "reason": "HTTP 500"}
    notice = Notice(
        "evt_1", "health_check.failed", "evt_1", 1, 1, "web-1", data,
        fraise="my_api", environment="production", provider="bare_metal",
    )  # fmt: skip
    text = json.loads(message_body(endpoint, notice))["text"]
    assert text == "my_api in production: health check failed, on web-1\nHTTP 500"


def test_how_many_hosts_are_well_is_told_in_words() -> None:
    endpoint = Endpoint("x", "slack", "https://chat.example")
    data = {"hosts": 3, "healthy": 2, "unhealthy": 0, "unknown": 1}
    notice = Notice(
        "evt_1", "metrics.service", "evt_1", 1, 1, None, data,
        fraise="my_api", environment="production", provider="bare_metal",
    )  # fmt: skip
    text = json.loads(message_body(endpoint, notice))["text"]
    assert text == "my_api in production: 2 of 3 hosts well"


def test_what_a_gate_found_is_not_taken_for_how_the_deployment_ended() -> None:
    text = sent("slack", event="health_check.failed", data={"passed": False})["text"]
    assert text.startswith("my_api in production: health check failed (version 0123456")


def test_slack_sees_no_mention_link_or_markup_in_a_value() -> None:
    body = sent("slack", **failed(HOSTILE))
    assert "<" not in body["text"]
    assert ">" not in body["text"]
    assert "&lt;!channel&gt;" in body["text"]
    assert (body["mrkdwn"], body["link_names"], body["parse"]) == (False, False, "none")
    assert (body["unfurl_links"], body["unfurl_media"]) == (False, False)


def test_discord_pings_nobody_whatever_the_text_says() -> None:
    body = sent("discord", **failed(HOSTILE))
    assert body["allowed_mentions"] == {"parse": []}
    line = body["content"].splitlines()[1]
    for special in "@<>[]()*`|":
        at = -1
        while (at := line.find(special, at + 1)) >= 0:
            assert line[at - 1] == "\\", (special, line)


def test_teams_gets_runs_of_text_that_hold_no_markup() -> None:
    body = sent("teams", **failed(HOSTILE))
    assert HOSTILE in teams_text(body)
    assert "msteams" not in json.dumps(body), "without entities nothing is a mention"


def test_a_value_is_one_line_of_bounded_length_without_control_characters() -> None:
    reason = "a\nb\r\n\x1b[31mred\x1b]8;;https://evil\x07 \u202eover\u2066 \x00" + "z" * 5000
    for kind in ("slack", "discord", "teams"):
        body = sent(kind, "{reason}|", **failed(reason))
        text = (
            teams_text(body) if kind == "teams" else body["text" if kind == "slack" else "content"]
        )
        assert len(text) < 1100
        assert text.isprintable(), text
        assert text.startswith("a b")


def test_a_subject_is_one_line_and_an_email_is_plain_text() -> None:
    body = sent("email", fraise="my_api\r\nBcc: all@example.com", **failed("why"))
    assert body["subject"] == "[fraisier] my_api Bcc: all@example.com in production: failed"
    assert body["text"].endswith("\nwhy")


def test_a_template_names_what_it_may_and_runs_nothing() -> None:
    all_of_them = " ".join(f"{{{name}}}" for name in NAMES)
    text = sent("slack", all_of_them)["text"]
    assert "{" not in text
    assert "2026-" in text
    assert sent("slack", "{{{fraise}}} {{fraise}}")["text"] == "{my_api} {fraise}"


def test_every_name_of_a_template_has_a_value_in_a_full_event() -> None:
    values = values_of(told(host="web-1", data={"status": "failed", "reason": "r",
                                                "duration_seconds": 200}))  # fmt: skip
    assert {*values} == {*NAMES}
    assert all(values.values())
    assert values["duration"] == "3 min 20 s"


@pytest.mark.parametrize("value", ["{reason.__class__}", "{0}", "%(status)s", "$status", "{{7*7}}"])
def test_a_value_is_never_taken_for_a_template(value: str) -> None:
    assert (
        sent("teams", "{reason}", **failed(value))["attachments"][0]["content"]["body"][0][
            "inlines"
        ][0]["text"]
        == value
    )
