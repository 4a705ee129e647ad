"""The fake Coolify is strict: it refuses what the published document does not know."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.coolify import TOKEN, Coolify, coolify
from support.coolify_document import Broken, check_answer, check_request, operation


def ask(server: Coolify, method: str, path: str, body: Any = None, token: str = TOKEN) -> int:
    """Send a request to the fake and return the status."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = None if body is None else json.dumps(body)
    connection.request(method, "/api/v1" + path, data, headers)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/applications/app-git?verbose=true", None),
        ("GET", "/applications/app-git", {"a": 1}),
        ("PATCH", "/applications/app-git", {"git_commit": "x"}),
        ("PATCH", "/applications/app-git", {"git_commit_sha": 1}),
        ("PATCH", "/applications/app-git/envs/bulk", {}),
        ("PATCH", "/applications/app-git/envs/bulk", {"data": [{"name": "x"}]}),
        ("POST", "/applications/app-git/start?force=yes", None),
    ],
)
def test_a_request_that_the_document_does_not_know_is_refused(
    method: str, path: str, body: Any
) -> None:
    with coolify() as server:
        server.add_git()
        assert ask(server, method, path, body) == 422
        assert server.broken
        server.broken.clear()  # what is left makes the test fail that sent it


def test_a_path_that_the_document_does_not_know_is_refused() -> None:
    with coolify() as server:
        assert ask(server, "GET", "/applications/app-git/secrets") == 404
        assert server.broken
        server.broken.clear()


def test_only_a_token_with_the_ability_is_let_in() -> None:
    with coolify() as server:
        server.add_git()
        assert ask(server, "GET", "/applications/app-git", token="") == 401
        assert ask(server, "GET", "/applications/app-git", token="2|other") == 401
        server.tokens["2|reader"] = {"read"}
        assert ask(server, "GET", "/applications/app-git", token="2|reader") == 200
        assert ask(server, "POST", "/applications/app-git/start", token="2|reader") == 403
        assert not server.apps["app-git"].deployments


def test_an_answer_that_the_document_does_not_know_is_noticed() -> None:
    found = operation("GET", "/api/v1/deployments/dep1")
    assert found is not None
    assert found.named == {"uuid": "dep1"}
    check_answer(found, 200, {"status": "finished", "commit": "HEAD"})
    with pytest.raises(Broken):
        check_answer(found, 200, {"status": 3})
    with pytest.raises(Broken):
        check_answer(found, 418, {})


def test_the_longest_path_of_the_document_is_meant() -> None:
    found = operation("GET", "/api/v1/deployments/applications/app")
    assert found is not None
    assert found.name == "GET /deployments/applications/{uuid}"
    check_request(found, {"skip": ["0"], "take": ["20"]}, None)
    with pytest.raises(Broken):
        check_request(found, {"take": ["0"]}, None)


def test_a_full_queue_names_a_deployment_that_is_never_made() -> None:
    with coolify() as server:
        app = server.add_git()
        server.queue_limit = 2
        server.fill_queue()
        assert ask(server, "POST", "/applications/app-git/start") == 200
        assert not app.deployments
        assert ask(server, "GET", "/deployments/dep0003") == 404


def test_a_preview_runs_beside_the_application_and_is_in_its_list() -> None:
    with coolify() as server:
        app = server.add_git()
        preview = server.preview(app, "b" * 40, "in_progress")
        ask(server, "POST", "/applications/app-git/start")
        assert [each["pull_request_id"] for each in app.deployments] == [7, 0]
        assert app.deployments[1]["status"] == "in_progress"
        ask(server, "POST", "/applications/app-git/start")
        assert len(app.deployments) == 2, "one deployment of a commit at a time"
        preview["status"] = "finished"
        assert app.data["status"] == "exited", "a preview is not the application"


def test_only_so_many_deployments_are_at_work_on_a_server() -> None:
    with coolify() as server:
        server.concurrent_builds = 1
        server.by_hand(server.add_git("app-other"))
        app = server.add_git()
        ask(server, "POST", "/applications/app-git/start")
        assert app.deployments[0]["status"] == "queued"


@pytest.mark.parametrize(
    ("name", "tag", "image"),
    [
        ("nginx", "1.27", "nginx:1.27"),
        ("nginx", "", "nginx:latest"),
        ("nginx@sha256", "d" * 64, "nginx@sha256:" + "d" * 64),
        ("nginx", "sha256-" + "d" * 64, "nginx@sha256:" + "d" * 64),
    ],
)
def test_a_digest_has_two_spellings(name: str, tag: str, image: str) -> None:
    with coolify() as server:
        app = server.add_image(name=name, tag=tag)
        server.by_hand(app, "finished")
        assert app.image_that_runs == image
