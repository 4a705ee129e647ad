"""A configuration that is shown holds no secret, wherever somebody wrote one (S5)."""

from __future__ import annotations

import json

from fraisier.domain.proxy import Proxy
from fraisier.domain.strategy import StrategyConfig
from fraisier.engine.redacted import HIDDEN, config_json
from support.fakes import make_target

CANARY = "canary-2f9c1b"


def test_no_canary_gets_out_and_references_stay() -> None:
    target = make_target(
        secrets={
            "TOKEN": {"env": "MY_TOKEN"},
            "become:password": {"file": "/etc/become"},
            "git:token": {"vault": f"$ANSIBLE_VAULT;1.1;AES256\n{CANARY}"},
        },
        service={
            "env_vars": {"DB_PASSWORD": CANARY, "DSN": f"postgres://me:{CANARY}@db/x", "A": "b"},
            "health_check": {"headers": {"Authorization": f"Bearer {CANARY}"}, "timeout": 3},
            "nested": [{"api_key": CANARY}, {"where": {"vault": CANARY}}],
        },
        repository=f"https://me:{CANARY}@git.example.com/api.git",
    )
    shown = config_json(target)
    assert CANARY not in json.dumps(shown)
    assert shown["secrets"] == {
        "TOKEN": {"env": "MY_TOKEN"},
        "become:password": {"file": "/etc/become"},
        "git:token": {"vault": HIDDEN},
    }
    assert shown["service"]["env_vars"]["A"] == "b"
    assert shown["service"]["health_check"]["timeout"] == 3
    assert shown["repository"] == f"https://{HIDDEN}@git.example.com/api.git"


def test_no_header_and_no_query_is_shown() -> None:
    url = f"https://me.example.com/health?key={CANARY}"
    headers = {"X-Api-Key": CANARY, "Private-Key": CANARY, "Accept": CANARY}
    target = make_target(
        service={
            "health_check": {"type": "http", "url": url, "headers": headers, "timeout": 3},
            "around": {"smoke": [{"url": url, "headers": headers}], "hooks": [f"curl '{url}'"]},
            "env_vars": {"X-API-KEY": CANARY, "PRIVATE-KEY": CANARY},
        },
        strategy_config=StrategyConfig(analysis=({"type": "http", "url": url},)),
        proxy=Proxy(health_path=f"/health?key={CANARY}"),
        secrets={"header:health_check/X-Api-Key": {"env": "KEY"}},
    )
    shown = config_json(target)
    assert CANARY not in json.dumps(shown)
    check = shown["service"]["health_check"]
    assert check["headers"] == dict.fromkeys(headers, HIDDEN)
    assert (check["url"], check["timeout"]) == (f"https://me.example.com/health?{HIDDEN}", 3)
    assert shown["secrets"] == {"header:health_check/X-Api-Key": {"env": "KEY"}}


def test_where_a_key_lies_is_shown() -> None:
    shown = config_json(make_target())
    assert shown["hosts"][0]["ssh_key_path"] is None
    assert shown["hosts"][0]["name"] == "web-1"
