"""`deploy_windows`: what they come to, and what is said where they are wrong."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from config_files import Files

from fraisier.config import load
from fraisier.domain.catalogue import Target
from fraisier.domain.errors import ConfigurationError
from fraisier.domain.windows import Window

OFFICE = {"days": "mon-fri", "from": "09:00", "to": "17:00", "timezone": "Europe/Paris"}
PLACE = "fraises.my_api.environments.production.deploy_windows[0]"


def loaded(files: Files, **keys: Any) -> Target:
    """Return the target of a file with these keys."""
    provider = {"app_path": "/opt/my-api", "service_name": "my-api", "service_user": "app",
                "hosts": [{"hostname": "web-1"}]}  # fmt: skip
    production = {"provider": "bare_metal", "provider_config": provider, **keys}
    fraise = {"git_repo": "/srv/git/my-api", "environments": {"production": production}}
    document = {"fraises": {"my_api": fraise}}
    catalogue = load(str(files.write(yaml.safe_dump(document, sort_keys=False))))
    return catalogue.target("my_api", "production")


def test_windows_are_read_with_their_defaults(files: Files) -> None:
    night = {"from": "22:00", "to": "04:00"}
    found = loaded(files, deploy_windows=[OFFICE, night])
    assert found.deploy_windows == (
        Window((0, 1, 2, 3, 4), "09:00", "17:00", "Europe/Paris"),
        Window((0, 1, 2, 3, 4, 5, 6), "22:00", "04:00", "UTC"),
    )
    assert found.outside_windows == "refuse"
    assert loaded(files, deploy_windows=[OFFICE], outside_windows="wait").outside_windows == "wait"


def test_without_windows_there_are_none(files: Files) -> None:
    assert loaded(files).deploy_windows == ()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"days": "monday"}, "days such as mon-fri"),
        ({"days": "mon-"}, "days such as mon-fri"),
        ({"from": "9:00"}, 'a time as "09:00"'),
        ({"from": 540}, "from"),
        ({"from": "24:00"}, 'a time as "09:00"'),
        ({"to": "17:60"}, 'a time as "09:00"'),
        ({"to": "09:00"}, "has no length"),
        ({"timezone": "Europe/Pariss"}, 'did you mean "Europe/Paris"'),
        ({"timezone": "../../etc/passwd"}, "there is no time zone"),
        ({"day": "mon"}, "unknown key"),
    ],
)
def test_what_is_wrong_with_a_window_is_said_with_its_place(
    files: Files, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(files, deploy_windows=[{**OFFICE, **wrong}])
    assert said in str(caught.value)
    assert PLACE in str(caught.value)


def test_a_list_without_windows_is_refused(files: Files) -> None:
    with pytest.raises(ConfigurationError, match="deploy_windows"):
        loaded(files, deploy_windows=[])
