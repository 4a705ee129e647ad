"""Deliveries of git hosts over HTTP: what they deploy, and that no bad one does anything."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from fraisier.domain.errors import ConfigurationError, Problem, StoreUnavailable, UsageError
from fraisier.domain.ids import now
from fraisier.domain.incoming import IncomingStatus, NewIncoming
from fraisier.domain.ports import Filter
from fraisier.domain.push import DeployOn, GitHost, Listening, Push, Received
from fraisier.domain.rate import Limits
from fraisier.domain.secret import Secret, SecretReference
from fraisier.domain.token import Scope
from fraisier.engine.deployments import Deployments, Wish
from fraisier.engine.pushes import Pushes
from fraisier.engine.rates import Rates
from fraisier.webhooks.incoming import HOSTS, Intake
from support.fakes import Inventories, Repositories, make_catalogue, make_target
from support.pushing import (
    SAMPLES,
    SECRET,
    SHA,
    ZEROS,
    delivery,
    form,
    github,
    headers,
    mutations,
    route,
)

REFERENCE = SecretReference("env", "HOOK")


class Hooked:
    """A server whose target `api production` listens to pushes."""

    def __init__(self, server: Any) -> None:
        self.server, self.store = server, server.store
        self.listen("https://github.com/my-org/my-api", DeployOn("main", "v*"))

    def listen(self, source: str, on: DeployOn, provider: str = "github", **target: Any) -> None:
        """Configure what is listened to, and whose pushes deploy it."""
        catalogue = make_catalogue(make_target(**target))
        hosts = {name: GitHost((REFERENCE,)) for name in HOSTS if name != "gogs"}
        listening = (Listening("api", "production", source, on, provider, named=True),)
        catalogue = replace(catalogue, listening=listening, git_hosts=hosts)
        deployments = Deployments(catalogue, self.store, Repositories(), Inventories())
        self.pushes = Pushes(catalogue, self.store, deployments)
        self.intake = Intake(hosts, lambda _: Secret(SECRET), self.pushes)
        services = replace(self.server.services, intake=self.intake, pushes=self.pushes)
        self.client = self.server.serve(services)

    def post(self, host: str, body: bytes, shown: dict[str, str]) -> TestResponse:
        """Deliver something, with no token."""
        path = f"/api/v1/webhooks/{route(host)}"
        return self.client.post(path, data=body, headers=shown)

    def push(self, host: str = "github", *arguments: Any, **more: Any) -> Any:
        """Deliver a push and return the answer, which is 2xx."""
        answer = self.post(host, *delivery(host, *arguments, **more))
        assert answer.status_code in (200, 202), answer.text
        return answer.get_json()

    def deployments(self) -> list[Any]:
        """Return every deployment there is."""
        return self.store.deployments(Filter(limit=10_000))

    def ask(self, method: str, path: str, scope: Scope = Scope.ADMIN, **more: Any) -> TestResponse:
        """Ask with a token."""
        shown = {"Authorization": f"Bearer {self.server.secrets[scope]}"}
        return self.client.open(f"/api/v1{path}", method=method, headers=shown, **more)


@pytest.fixture
def hooked(server: Any) -> Iterator[Hooked]:
    """Return a server that listens, with nothing in its records."""
    logging.getLogger("fraisier.webhooks").setLevel(logging.ERROR)
    yield Hooked(server)
    logging.getLogger("fraisier.webhooks").setLevel(logging.NOTSET)


@pytest.mark.parametrize("host", [each for each in SAMPLES if each != "gogs"])
def test_a_push_is_a_deployment_of_its_commit(hooked: Hooked, host: str) -> None:
    hooked.listen(SAMPLES[host][1], DeployOn("main"), route(host))
    body, shown = delivery(host)
    answer = hooked.post(host, body, shown)
    assert answer.status_code == 202
    said = answer.get_json()
    (made,) = hooked.deployments()
    assert said["status"] == "deployment_triggered"
    assert said["deployments"] == [
        {"fraise": "api", "environment": "production", "deployment_id": made.id, "reason": ""}
    ]
    assert (made.version, made.triggered_by) == (SHA, f"webhook:{route(host)}")
    assert made.trace_id == said["trace_id"]
    assert hooked.post(host, body, shown).get_json() == said, "a repeated one says the same"
    assert len(hooked.deployments()) == 1


@pytest.mark.parametrize(
    ("ref", "more", "reason"),
    [
        ("refs/heads/other", {}, "no deploy_on names the branch other"),
        ("refs/tags/x", {}, "no deploy_on names the tag x"),
        ("refs/heads/main", {"message": "x [skip deploy]"}, "says [skip deploy]"),
        ("refs/heads/main", {"message": "[Deploy Skip]"}, "says [skip deploy]"),
        ("refs/heads/main", {"after": ZEROS, "deleted": True}, "was deleted"),
        ("refs/notes/x", {}, "push deploys nothing"),
    ],
)
def test_what_is_not_to_be_deployed_is_ignored_with_the_reason(
    hooked: Hooked, ref: str, more: dict[str, Any], reason: str
) -> None:
    body, shown = delivery("github", ref, **more)
    answer = hooked.post("github", body, shown)
    said = answer.get_json()
    assert (answer.status_code, said["status"], said["deployments"]) == (200, "ignored", [])
    assert reason in said["reason"]
    assert hooked.deployments() == []


def test_paths_narrow_what_deploys(hooked: Hooked) -> None:
    source = "git@github.com:my-org/my-api.git"
    hooked.listen(source, DeployOn("main", paths=("web/**",)))
    assert "no file was changed" in hooked.push()["reason"]
    hooked.listen(source, DeployOn("main", paths=("api/**",)))
    assert hooked.push("github", number="2")["status"] == "deployment_triggered"
    hooked.listen(source, DeployOn("main", paths=("web/**",)))
    assert hooked.push("github", number="3", forced=True)["status"] == "deployment_triggered"
    newest, before = hooked.deployments()
    why = "branch main was pushed"
    assert newest.options["reason"] == f"{why}; which files it changed is not known"
    assert before.options["reason"] == why


def test_a_tag_deploys_where_tags_are_named(hooked: Hooked) -> None:
    assert hooked.push("github", "refs/tags/v1")["status"] == "deployment_triggered"


def test_another_repository_deploys_nothing(hooked: Hooked) -> None:
    """The payload's URL is compared with the configuration, and used for nothing."""
    other = github()
    other["repository"]["full_name"] = "evil/my-api"
    other["repository"].update(
        dict.fromkeys(("clone_url", "ssh_url", "git_url"), "https://github.com/evil/my-api.git"),
        html_url="https://github.com/evil/my-api",
    )
    body = json.dumps(other).encode()
    said = hooked.post("github", body, headers("github", body)).get_json()
    assert said["status"] == "ignored"
    assert "no environment deploys on pushes to evil/my-api" in said["reason"]


def at(host: str, name: str = "my-org/my-api") -> dict[str, str]:
    """Return the URLs of a repository as GitHub, Gitea and Gogs write them."""
    return {
        "full_name": name,
        "html_url": f"https://{host}/{name}",
        "clone_url": f"https://{host}/{name}.git",
        "ssh_url": f"git@{host}:{name}.git",
    }


@pytest.mark.parametrize("sender", ["gitea", "forgejo", "gitlab", "bitbucket", "data_center"])
def test_no_other_git_host_deploys_what_is_on_github(hooked: Hooked, sender: str) -> None:
    """Each has a secret of its own here, and its payload names the repository on GitHub."""
    payload = SAMPLES[sender][0]()
    if "repository" in payload and "full_name" in payload["repository"]:
        payload["repository"].update(at("github.com"))
    if sender == "gitlab":
        payload["project"].update(
            web_url="https://github.com/my-org/my-api",
            git_http_url="https://github.com/my-org/my-api.git",
            git_ssh_url="git@github.com:my-org/my-api.git",
        )
    if sender == "bitbucket":
        payload["repository"]["links"]["html"]["href"] = "https://github.com/my-org/my-api"
    body = json.dumps(payload).encode()
    said = hooked.post(sender, body, headers(sender, body)).get_json()
    assert (said["status"], hooked.deployments()) == ("ignored", [])
    assert "api production: pushes of github deploy it" in said["reason"]


@pytest.mark.parametrize("key", ["clone_url", "ssh_url", "html_url", "full_name"])
@pytest.mark.parametrize("other", [at("git.example.org"), at("git.example.com", "my-org/other")])
def test_one_url_that_fits_is_not_enough(hooked: Hooked, key: str, other: dict[str, str]) -> None:
    hooked.listen("https://git.example.com/my-org/my-api", DeployOn("main"), "gitea")
    payload = SAMPLES["gitea"][0]()
    payload["repository"].update(at("git.example.com"))
    mixed = {**payload, "repository": {**payload["repository"], key: other[key]}}
    body = json.dumps(mixed).encode()
    said = hooked.post("gitea", body, headers("gitea", body, "1")).get_json()
    expected = "deployment_triggered" if mixed == payload else "ignored"
    assert (said["status"], len(hooked.deployments())) == (expected, int(mixed == payload))
    body = json.dumps(payload).encode()
    said = hooked.post("gitea", body, headers("gitea", body, "2")).get_json()
    assert said["status"] == "deployment_triggered"


@pytest.mark.parametrize("host", ["github", "gitlab", "gitea", "bitbucket"])
def test_without_urls_the_name_of_a_repository_on_a_public_host_deploys_nothing(
    hooked: Hooked, host: str
) -> None:
    payload = SAMPLES[host][0]()
    for part in ("repository", "project"):
        for key in [*payload.get(part, {})]:
            if "url" in key or key == "links":
                del payload[part][key]
    body = json.dumps(payload).encode()
    said = hooked.post(host, body, headers(host, body)).get_json()
    assert (said["status"], hooked.deployments()) == ("ignored", [])


def test_what_a_git_host_may_not_deploy_can_be_redelivered_when_it_may(hooked: Hooked) -> None:
    hooked.listen(SAMPLES["gitea"][1], DeployOn("main"), "")
    ignored = hooked.push("gitea")
    assert "deploy_on names no provider" in ignored["reason"]
    hooked.listen(SAMPLES["gitea"][1], DeployOn("main"), "gitea")
    path = f"/webhooks/deliveries/{ignored['delivery']}/redeliver"
    assert hooked.ask("POST", path, Scope.DEPLOY).status_code == 202
    (made,) = hooked.deployments()
    assert made.triggered_by == "webhook:gitea"


def test_a_test_is_answered_and_other_events_are_ignored(hooked: Hooked) -> None:
    body = b'{"zen": "Anything added dilutes everything else.", "hook_id": 1}'
    for event, status in (("ping", "pong"), ("issues", "ignored")):
        shown = headers("github", body, event, event)
        answer = hooked.post("github", body, shown)
        assert (answer.status_code, answer.get_json()["status"]) == (200, status)


def test_github_may_send_a_form(hooked: Hooked) -> None:
    body = urlencode({"payload": json.dumps(github(message="ä & b"))}).encode()
    shown = {**headers("github", body), "Content-Type": "application/x-www-form-urlencoded"}
    assert hooked.post("github", body, shown).get_json()["status"] == "deployment_triggered"
    for wrong in (b"payload=", b"x=1", b"payload={}&payload={}", b"payload=%ff", b"\xff" * 9):
        shown = {**headers("github", wrong, "2"), "Content-Type": shown["Content-Type"]}
        assert hooked.post("github", wrong, shown).status_code == 422
    shown = {**headers("gitlab", body), "Content-Type": shown["Content-Type"]}
    assert hooked.post("gitlab", body, shown).status_code == 415


@pytest.mark.parametrize("host", ["gitea", "forgejo"])
def test_those_like_gitea_may_send_a_form_whose_json_they_sign(hooked: Hooked, host: str) -> None:
    hooked.listen(SAMPLES[host][1], DeployOn("main"), host)
    body, shown = form(SAMPLES[host][0](message="ä & b"), host)
    said = hooked.post(host, body, shown).get_json()
    assert said["status"] == "deployment_triggered"
    assert hooked.post(host, body, shown).get_json() == said
    assert hooked.post(host, body + b"%20", shown).status_code == 401
    assert len(hooked.deployments()) == 1


def test_a_push_whose_lists_of_files_are_null_deploys(hooked: Hooked) -> None:
    hooked.listen(SAMPLES["gitea"][1], DeployOn("main", paths=("web/**",)), "gitea")
    assert hooked.push("gitea")["status"] == "ignored"
    nothing = dict.fromkeys(("added", "modified", "removed"))
    commit = {"id": SHA, "message": "one", **nothing}
    said = hooked.push("gitea", number="2", commits=[commit])
    assert said["status"] == "deployment_triggered"


@pytest.mark.parametrize(
    ("host", "event"),
    [
        ("github", "issues"), ("gitea", "issues"), ("forgejo", "release"),
        ("gitlab", "Pipeline Hook"), ("gitlab", "System Hook"), ("bitbucket", "repo:fork"),
        ("data_center", "pr:opened"),
    ],
)  # fmt: skip
def test_what_is_no_push_is_ignored_whatever_its_payload_is(
    hooked: Hooked, host: str, event: str
) -> None:
    bodies = [b'{"event_name": "user_create", "a": 1, "a": {"b": 2, "b": 3}}', b'{"a": NaN}']
    unread = [] if event == "System Hook" else [b"", b"\xff", b"[" * 100_000]
    for number, body in enumerate([*bodies, *unread]):
        answer = hooked.post(host, body, headers(host, body, f"{number}", event))
        assert (answer.status_code, answer.get_json()["status"]) == (200, "ignored"), body
        assert answer.get_json()["reason"] == f"{event} deploys nothing"
    assert hooked.post(host, b"{}", headers(host, b"{}", secret="another")).status_code == 401


def test_a_push_with_a_doubled_key_is_refused_also_by_a_system_hook(hooked: Hooked) -> None:
    twice = b'{"object_kind": "push", "ref": "refs/heads/a", "ref": "refs/heads/main"}'
    for event in ("Push Hook", "System Hook"):
        answer = hooked.post("gitlab", twice, headers("gitlab", twice, event, event))
        assert answer.status_code == 422, event
    answer = hooked.post("gitlab", b"{", headers("gitlab", b"{", "3", "System Hook"))
    assert answer.status_code == 422


def test_a_system_hook_of_gitlab_deploys_a_push(hooked: Hooked) -> None:
    hooked.listen(SAMPLES["gitlab"][1], DeployOn("main", paths=("web/**",)), "gitlab")
    payload = SAMPLES["gitlab"][0](commits=[], total_commits_count=3)
    body = json.dumps(payload).encode()
    said = hooked.post("gitlab", body, headers("gitlab", body, event="System Hook")).get_json()
    assert (said["status"], said["event"]) == ("deployment_triggered", "System Hook")


def test_a_refused_target_hinders_no_other(hooked: Hooked) -> None:
    """One target is busy and rejects, one is not in the catalogue any more, one is free."""
    targets = [make_target(environment="a", on_busy="reject"), make_target(environment="b")]
    catalogue = make_catalogue(targets[0])
    fraise = replace(
        catalogue.fraise("api"), targets={target.environment: target for target in targets}
    )
    source, on = "https://github.com/my-org/my-api", DeployOn("main")
    listening = tuple(Listening("api", name, source, on, "github") for name in ("a", "gone", "b"))
    catalogue = replace(catalogue, fraises={"api": fraise}, listening=listening)
    deployments = Deployments(catalogue, hooked.store, Repositories(), Inventories())
    busy = deployments.deploy(Wish("api", "a", "cli:me", version=SHA))
    urls = (f"{source}.git",)
    said = Received("push", (Push("my-org/my-api", urls, "branch", "main", SHA),))
    found = Pushes(catalogue, hooked.store, deployments).receive("github", "1", b"", said)
    assert found.status is IncomingStatus.TRIGGERED
    refused, gone, made = found.outcomes
    assert refused.deployment_id is None
    assert busy.id in refused.reason
    assert (gone.environment, gone.deployment_id) == ("gone", None)
    assert gone.reason
    assert hooked.store.deployment(made.deployment_id or "").target.environment == "b"


def test_a_refused_target_says_why(hooked: Hooked) -> None:
    first = hooked.push()
    hooked.listen("https://github.com/my-org/my-api", DeployOn("main"), on_busy="reject")
    said = hooked.push("github", number="2")
    assert said["status"] == "ignored"
    (outcome,) = said["deployments"]
    assert outcome["deployment_id"] is None
    assert first["deployments"][0]["deployment_id"] in outcome["reason"]
    assert outcome["reason"] in said["reason"]


def test_an_id_stands_for_one_body(hooked: Hooked) -> None:
    hooked.push()
    body = json.dumps(github(message="another")).encode()
    assert hooked.post("github", body, headers("github", body)).status_code == 422
    assert len(hooked.deployments()) == 1


@pytest.mark.parametrize("host", [each for each in SAMPLES if each != "gogs"])
def test_what_is_not_proven_does_nothing_and_leaves_nothing(hooked: Hooked, host: str) -> None:
    body, shown = delivery(host)
    for given in (headers(host, body, secret="another"), headers(host, body + b" "), {}):
        if route(host) == "gitlab" and given.get("X-Gitlab-Token") == SECRET:
            continue  # a token says nothing of the body
        answer = hooked.post(host, body, {**given, "Content-Type": "application/json"})
        assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthorized")
        assert SECRET not in answer.text
    again = json.dumps(json.loads(body), indent=1).encode()
    if host != "gitlab":
        assert hooked.post(host, again, shown).status_code == 401, "the same JSON, other bytes"
    assert hooked.deployments() == []
    assert hooked.ask("GET", "/webhooks/deliveries").get_json()["total"] == 0


def test_a_host_that_is_not_configured_or_known_is_not_there(hooked: Hooked) -> None:
    for host, told in (("gogs", "not configured"), ("sourceforge", "not_found")):
        answer = hooked.client.post(f"/api/v1/webhooks/{host}", json={})
        assert answer.status_code == 404
        assert told in answer.text
    assert hooked.client.get("/api/v1/webhooks/github").status_code in (401, 405)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"7", b'"x"', b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff\xfe",
        b"[" * 100_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000, b'{"ref": "\\u0000"}',
        b'{"a": ' + b"9" * 5000 + b"}", b'{"ref": "\\ud800"}',
    ],
)  # fmt: skip
def test_what_is_no_payload_is_refused(hooked: Hooked, body: bytes) -> None:
    answer = hooked.post("github", body, headers("github", body))
    assert answer.status_code == 422, answer.text
    assert answer.get_json()["detail"]
    assert hooked.deployments() == []


def different_readings(host: str) -> dict[Received | str, bytes]:
    """Return what is read of mutated payloads, or why not -> the first payload that says so.

    Each field is removed, and of each other type. Whatever happens to a delivery after it was read
    depends on what was read alone, and most mutations do not change that.
    """
    found: dict[Received | str, bytes] = {}
    reader = HOSTS[route(host)]
    for payload in mutations(SAMPLES[host][0]()):
        body = json.dumps(payload).encode()
        event = reader.event(_Headers(headers(host, body)))
        try:
            said: Received | str = reader.read(event, reader.data("application/json", body))
        except UsageError as error:
            said = error.message
        found.setdefault(said, body)
    return found


@pytest.mark.parametrize("host", ["github", "gitlab", "gitea", "bitbucket", "data_center"])
def test_no_payload_makes_the_server_fail(hooked: Hooked, host: str) -> None:
    """What cannot be read is 422; what can be read deploys the pushed commit or nothing."""
    hooked.listen(SAMPLES[host][1], DeployOn("main"), route(host))
    readings = different_readings(host)
    for number, (said, body) in enumerate(readings.items()):
        answer = hooked.post(host, body, headers(host, body, str(number)))
        expected = (422,) if isinstance(said, str) else (200, 202)
        assert answer.status_code in expected, (body, answer.text)
    assert {isinstance(said, str) for said in readings} == {True, False}
    assert {made.version for made in hooked.deployments()} == {SHA}


def test_headers_that_no_host_sends_are_refused(hooked: Hooked) -> None:
    body, shown = delivery("github")
    for name in ("X-GitHub-Delivery", "X-GitHub-Event"):
        for wrong in (None, "", "é", "x" * 201, "a\tb"):
            given = {**shown, name: wrong} if wrong is not None else dict(shown)
            if wrong is None:
                del given[name]
            assert hooked.post("github", body, given).status_code == 422, (name, wrong)
    for wrong in ("text/plain", "", "application/xml"):
        given = {**shown, "Content-Type": wrong}
        assert hooked.post("github", body, given).status_code == 415
    assert hooked.post("github", body, {**shown, "Content-Encoding": "gzip"}).status_code == 415
    assert hooked.deployments() == []


def test_a_delivery_is_read_up_to_its_limit(hooked: Hooked) -> None:
    large = json.dumps(github(padding="x" * (1 << 20))).encode()
    assert hooked.post("github", large, headers("github", large)).status_code == 202
    larger = json.dumps(github(padding="x" * (25 << 20))).encode()
    answer = hooked.post("github", larger, headers("github", larger, "2"))
    assert answer.status_code == 413
    assert len(hooked.deployments()) == 1


def test_while_the_database_is_away_a_delivery_is_asked_for_again(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("gone")

    body, shown = delivery("github")
    with monkeypatch.context() as patch:
        patch.setattr(hooked.store, "receive", away)
        answer = hooked.post("github", body, shown)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    with monkeypatch.context() as patch:
        patch.setattr(hooked.store, "settle", away)
        assert hooked.post("github", body, shown).status_code == 503
    assert hooked.post("github", body, shown).status_code == 202
    assert len(hooked.deployments()) == 1, "the second half was done once"


def test_what_a_dead_process_left_is_dealt_with(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = ("https://github.com/my-org/my-api",)
    push = Push("my-org/my-api", urls, "branch", "main", SHA)
    new = NewIncoming("github", "1", "0" * 64, "push", "trace_1", (push,))
    left = hooked.store.receive(new)
    hooked.pushes.tidy()
    assert hooked.deployments() == [], "somebody may be at it"
    monkeypatch.setattr(hooked.store, "now", lambda: now() + 61_000_000)
    hooked.pushes.tidy()
    (made,) = hooked.deployments()
    assert made.trace_id == "trace_1"
    found = hooked.store.receive(new)
    assert (found.id, found.status) == (left.id, IncomingStatus.TRIGGERED)


def test_one_delivery_that_cannot_be_dealt_with_keeps_no_other_waiting(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = ("https://github.com/my-org/my-api",)
    push = Push("my-org/my-api", urls, "branch", "main", SHA)
    for number in ("1", "2"):
        new = NewIncoming("github", number, "0" * 64, "push", f"trace_{number}", (push,))
        hooked.store.receive(new)
    deploy = hooked.pushes._deployments.deploy

    def broken(wish: Any, trace_id: str) -> Any:
        return 1 // (trace_id != "trace_1") and deploy(wish, trace_id=trace_id)

    monkeypatch.setattr(hooked.pushes._deployments, "deploy", broken)
    monkeypatch.setattr(hooked.store, "now", lambda: now() + 61_000_000)
    hooked.pushes.tidy()
    assert [made.trace_id for made in hooked.deployments()] == ["trace_2"]


def test_old_deliveries_are_removed(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    hooked.push("github", "refs/heads/other")
    later = now() + 31 * 86_400_000_000
    monkeypatch.setattr(hooked.store, "now", lambda: later)
    hooked.pushes.tidy()
    assert hooked.ask("GET", "/webhooks/deliveries").get_json()["total"] == 0


def test_the_log_shows_what_came_and_what_came_of_it(hooked: Hooked) -> None:
    hooked.push("github", "refs/heads/other", number="1")
    hooked.push("gitlab", "refs/heads/main", number="2")
    said = hooked.ask("GET", "/webhooks/deliveries", Scope.READ).get_json()
    assert [each["provider"] for each in said["deliveries"]] == ["gitlab", "github"]
    assert said["deliveries"][1]["pushes"] == [
        {"repository": "my-org/my-api", "ref": "branch other", "commit": SHA}
    ]
    for query, total in (("provider=github", 1), ("status=ignored", 2), ("status=pong", 0)):
        answer = hooked.ask("GET", f"/webhooks/deliveries?{query}")
        assert answer.get_json()["total"] == total, query
    assert hooked.ask("GET", "/webhooks/deliveries?status=x").status_code == 422


def test_a_delivery_can_be_dealt_with_once_more(hooked: Hooked) -> None:
    """After the configuration was mended, or the deployment failed."""
    ignored = hooked.push("github", "refs/heads/other")
    hooked.listen("https://github.com/my-org/my-api", DeployOn("other"))
    path = f"/webhooks/deliveries/{ignored['delivery']}/redeliver"
    assert hooked.ask("POST", path, Scope.READ).status_code == 403
    answers = [hooked.ask("POST", path, Scope.DEPLOY) for _ in range(2)]
    assert [each.status_code for each in answers] == [202, 202]
    assert len(hooked.deployments()) == 2, "each time once more"
    assert answers[0].get_json()["trace_id"] != ignored["trace_id"]
    missing = hooked.ask("POST", "/webhooks/deliveries/whi_nope/redeliver")
    assert missing.status_code == 404


def test_without_its_secret_a_server_takes_nothing_and_tells_strangers_nothing(
    hooked: Hooked, caplog: pytest.LogCaptureFixture
) -> None:
    def unset(_: SecretReference) -> Secret:
        raise ConfigurationError([Problem("secrets", 0, "HOOK", "MY_HOOK_SECRET is not set")])

    body, shown = delivery("github")
    intake = Intake({"github": GitHost((REFERENCE,))}, unset, hooked.pushes)
    services = replace(hooked.server.services, intake=intake)
    client = hooked.server.serve(services)
    for _ in range(3):
        answer = client.post("/api/v1/webhooks/github", data=body, headers=shown)
        assert answer.status_code == 503
        assert "MY_HOOK_SECRET" not in answer.text
    assert caplog.text.count("MY_HOOK_SECRET") == 1, "strangers cannot fill the log"


def test_secrets_are_not_read_at_every_request(hooked: Hooked) -> None:
    read: list[SecretReference] = []

    def counted(reference: SecretReference) -> Secret:
        read.append(reference)
        return Secret(SECRET)

    intake = Intake({"github": GitHost((REFERENCE,))}, counted, hooked.pushes)
    for number in range(5):
        body, shown = delivery("github", number=str(number))
        take: Callable[..., Any] = intake.take
        take("github", _Headers(shown), "application/json", body)
    assert len(read) == 1


class _Headers(dict[str, str]):
    """Headers as plain as they can be."""


@pytest.mark.parametrize("wrong", [{"X-Hub-Signature-256": "sha256=" + "0" * 64}, {}])
def test_wrong_signatures_are_limited_in_answers_and_in_the_log(
    hooked: Hooked, wrong: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "fraisier.webhooks")
    services = replace(hooked.server.services, intake=hooked.intake, pushes=hooked.pushes)
    hooked.client = hooked.server.another(
        replace(services, rates=Rates(hooked.store, Limits(failures=5)))
    )
    body, shown = delivery("github")
    bad = {name: text for name, text in shown.items() if name != "X-Hub-Signature-256"} | wrong
    answers = [hooked.post("github", body, bad) for _ in range(14)]  # of two minutes at most
    limited = [each for each in answers if each.status_code == 429]
    assert answers[0].status_code == 401
    assert limited
    assert int(limited[0].headers["Retry-After"]) <= 60
    lines = [each for each in caplog.records if "was refused" in each.message]
    assert len(lines) == len(answers) - len(limited)
    assert hooked.post("github", body, shown).status_code == 202, "who is proven passes"
