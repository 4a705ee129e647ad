"""Headers of health checks and smoke tests: a reference becomes a secret of the target."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from config_files import Files

from fraisier.domain.catalogue import Target
from fraisier.domain.errors import ConfigurationError

URL = "http://localhost:8000/health"
PLACE = "fraises.my_api.environments.production"
PROVIDERS: dict[str, dict[str, Any]] = {
    "bare_metal": {
        "hosts": [{"hostname": "web-1", "username": "app"}],
        "app_path": "/opt/my-api",
        "service_name": "my-api",
    },
    "docker_compose": {"docker_compose_file": "./compose.yml", "service": "web"},
    "coolify": {
        "url": "https://coolify.example.com",
        "token": {"env": "T"},
        "application_uuid": "x",
    },
}


def loaded(files: Files, provider: str, headers: Any, smoke: Any = None) -> Target:
    """Return the target whose health check and smoke tests have these headers."""
    check = {"type": "http", "url": URL, "headers": headers}
    production = {
        "provider": provider,
        "provider_config": {**PROVIDERS[provider], "health_check": check},
        **({"smoke": smoke} if smoke is not None else {}),
    }
    fraise = {"git_repo": "/srv/git/my-api", "environments": {"production": production}}
    return files.load(yaml.safe_dump({"fraises": {"my_api": fraise}})).target(
        "my_api", "production"
    )


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_reference_in_a_header_is_a_secret_of_the_target(files: Files, provider: str) -> None:
    headers = {"Accept": "text/html", "X-Api-Key": {"env": "KEY"}, "Private-Key": {"file": "k"}}
    target = loaded(files, provider, headers)
    assert target.service["health_check"]["headers"] == {"Accept": "text/html"}
    secrets = {name: each for name, each in target.secrets.items() if name.startswith("header:")}
    assert secrets == {
        "header:health_check/X-Api-Key": {"env": "KEY"},
        "header:health_check/Private-Key": {"file": str(files.folder / "k")},
    }
    assert target.has_secret_headers
    assert not loaded(files, provider, {"Accept": "text/html"}).has_secret_headers


@pytest.mark.parametrize("provider", ["bare_metal", "docker_compose"])
def test_a_smoke_test_may_have_secret_headers_too(files: Files, provider: str) -> None:
    vault = "$ANSIBLE_VAULT;1.1;AES256\n6162\n"
    smoke = ["true", {"url": URL, "headers": {"Authorization": {"vault": vault}, "A": "b"}}]
    target = loaded(files, provider, {}, smoke)
    assert target.service["around"]["smoke"] == ["true", {"url": URL, "headers": {"A": "b"}}]
    assert target.secrets["header:smoke/1/Authorization"] == {"vault": vault}


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"X-Api-Key": {"evn": "hunter2"}}, "headers.X-Api-Key"),
        ({"X-Api-Key": {"env": "hunter2-x"}}, "{env: …} must name an environment variable"),
        ({"X-Api-Key": {"vault": "hunter2\nhunter2"}}, "{vault: …} must hold text"),
        ({"X-Api-Key": ["hunter2"]}, "headers.X-Api-Key"),
        ({"X-Api-Key": {"env": "A", "file": "hunter2"}}, "headers.X-Api-Key"),
        ({"X Api Key": {"env": "A"}}, "is no name for a header"),
        ({"X-Api/Key": {"env": "A"}}, "is no name for a header"),
        ({"X:Y": {"env": "A"}}, "is no name for a header"),
    ],
)
def test_what_is_wrong_with_a_header_is_told_without_its_value(
    files: Files, headers: Any, told: str
) -> None:
    for number, arguments in enumerate([(headers,), ({}, [{"url": URL, "headers": headers}])]):
        with pytest.raises(ConfigurationError) as caught:
            loaded(files, "bare_metal", *arguments)
        assert told in str(caught.value)
        assert "hunter2" not in str(caught.value)
        assert (f"{PLACE}.smoke[0].headers" in str(caught.value)) is (number == 1)


def test_a_query_is_never_told(files: Files) -> None:
    smoke = [{"url": URL, "status": f"{URL}?key=hunter2"}]
    with pytest.raises(ConfigurationError) as caught:
        loaded(files, "bare_metal", {}, smoke)
    assert "hunter2" not in str(caught.value)
