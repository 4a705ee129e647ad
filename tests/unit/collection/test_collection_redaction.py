"""A secret that a size limit cuts is not shown in part, wherever the limit is and the cut falls."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    app_journal,
    commands,
    coolify_answers,
    failure,
    git,
    redaction,
    setting,
)
from fraisier.domain.secret import Secret
from fraisier.runner.bounds import TEXT, bounded
from fraisier.runner.redaction import Redactor
from fraisier.webhooks.outgoing.posting import excerpt

SECRET = "s3cr3t/Ünïcode-valuë+0123456789"
KEY = "-----BEGIN KEY-----\n" + "\n".join(f"{n}abc" * 4 for n in range(30)) + "\n--END--\n"
FORMS = {
    "plain": SECRET,
    "quoted": quote(SECRET, safe=""),
    "JSON": json.dumps(SECRET)[1:-1],
    "base64": base64.b64encode(SECRET.encode()).decode().rstrip("="),
    "lines": KEY,
}


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process know the secrets, as a module does, and forget them afterwards."""
    monkeypatch.setattr(redaction, "_known", set())
    redaction.know([SECRET, KEY])


def require_whole(text: str, form: str) -> None:
    """Fail where a text shows a part of a secret and not all of it."""
    text = text.replace(form, "")
    for part in (form[:5], form[-5:], form[3:9]):
        assert part not in text, part


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("edge", ["head", "tail"])
def test_a_commands_output_that_is_cut_shows_no_part(form: str, edge: str) -> None:
    raw, half = form.encode(), commands.HALF
    for at in range(-len(raw) - 2, 3):
        if edge == "head":
            said = b"." * (half + at) + raw + b"." * 3 * half
        else:
            said = b"." * 3 * half + raw + b"." * (half - len(raw) - 1 - at)
        output = commands.Bounded()
        output.add(said)
        require_whole(output.text(), form)
        assert "bytes left out" in output.text()


def test_what_is_kept_of_an_output_is_as_much_as_before_where_no_secret_is_near() -> None:
    output = commands.Bounded()
    output.add(b"a" * 100_000)
    assert output.text().count("a") == 2 * commands.HALF


def test_a_piece_within_a_secret_is_left_out() -> None:
    long = "".join(f"{n:05}" for n in range(30_000))
    redaction.know([long])
    output = commands.Bounded()
    output.add(long[:120_000].encode())
    assert not any(character.isdigit() for character in output.text().split("[...")[0])


@pytest.mark.parametrize("form", list(FORMS.values())[:4], ids=list(FORMS)[:4])
def test_short_texts_of_modules_show_no_part(form: str) -> None:
    for at in range(0, 420, 3):
        said = "." * at + form + "." * 400
        ended = commands.Finished(1, said)
        entry = json.dumps({"MESSAGE": "." * (app_journal.MOST_OF_ONE - 300 + at) + form + "."})
        texts = [
            redaction.shorten(said, 300),
            redaction.last_part(said, 200),
            setting.failed("x", "it", ended, 1.0, "").message,
            git.unreachable("https://x.test/r.git", ended).message,
            getattr(failure.disk_full(f"{said} No space left on device"), "message", ""),
            coolify_answers.said(json.dumps({"message": said}).encode()),
            app_journal.bounded([entry.encode()], False)["entries"][0]["text"],
        ]
        for text in texts:
            require_whole(text, form)


def test_secrets_of_one_call_are_known_while_it_lasts() -> None:
    other = "another-secret-value"
    with redaction.knowing([other]):
        assert redaction.redacted(f"x {other}") == "x ********"
    assert redaction.redacted(f"x {other}") == f"x {other}"


def test_a_module_hides_its_secrets_but_not_short_words() -> None:
    module: Any = SimpleNamespace(no_log_values={"abc", "a-long-secret"})
    redaction.hide(module, ["older-secret", "no"])
    assert module.no_log_values == {"a-long-secret", "older-secret"}
    assert redaction.redacted("older-secret abc") == "******** abc"


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_an_event_that_is_cut_shows_no_part(form: str) -> None:
    redactor, half = Redactor([Secret(SECRET), Secret(KEY)]), TEXT // 2
    for at in range(-len(form) - 1, 2, 3):
        for said in ("." * (half + at) + form + "." * TEXT,
                     "." * TEXT + form + "." * (half - len(form) - at)):  # fmt: skip
            event = {"event": "x", "event_data": {"res": {"log": [{"text": said}]}}}
            found = redactor.data(json.loads(bounded(event)))
            text = found["event_data"]["res"]["log"][0]["text"]
            require_whole(text, form)
            assert form not in text


def test_escape_sequences_within_a_secret_hide_it_from_nobody() -> None:
    redactor = Redactor([Secret("s3cr3t-value")])
    assert "value" not in redactor.text("found: s3cr3t\x1b[01;31m-val\x1b[mue\n")
    assert redactor.text("a \x1b[1ms3cr3t-value\x1b[0m") == "a \\x1b[1m[REDACTED]\\x1b[0m"


def test_an_answer_of_a_receiver_that_is_cut_shows_no_part_of_its_url() -> None:
    path = "/services/T0AAAAAAA/B0BBBBBBB/cccccccccccccccccccccccc"
    for kept in range(1, len(path)):
        said = excerpt(" " * 100 + "no " + path[:kept], True, [path])
        assert "ccc" not in said
        assert "BBB" not in said
        assert "AAA" not in said
