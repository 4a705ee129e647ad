"""Strategies that move traffic and the proxies they need: what is read, and what is wrong."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import yaml
from config_files import GOOD, Files, changed

from fraisier.config.proxy_schema import LETS_ENCRYPT
from fraisier.domain.catalogue import Host, Target

ENVIRONMENT = "fraises.my_api.environments.production"
PROVIDER = "provider: bare_metal"
STEP = "{weight: 10, pause: 30}"


def with_lines(*lines: str) -> str:
    """Return the good file with lines added to its environment."""
    return changed({PROVIDER: "\n        ".join([PROVIDER, *lines])})


def canary(steps: str = STEP, more: str = "") -> str:
    """Return the good file with a canary of these steps."""
    config = f"strategy_config: {{canary: [{steps}]{more}}}"
    return with_lines("strategy: canary", "proxy: {}", config)


def analysis(item: str) -> str:
    """Return the good file with a canary that measures this."""
    return canary(more=f", analysis: [{item}]")


def target_of(files: Files, text: str) -> Target:
    return files.load(text).target("my_api", "production")


def test_a_canary_is_read_with_its_steps_and_what_it_measures(files: Files) -> None:
    text = canary(
        "{weight: 10, pause: 30}, {weight: 50, pause: resume}",
        ", rollback_deadline: 90, analysis: [{name: e, type: proxy, measure: error_rate, "
        'success_condition: "result <= 0.01"}]',
    )
    pace = target_of(files, text).strategy_config
    assert pace.canary == ({"weight": 10, "pause": 30}, {"weight": 50, "pause": "resume"})
    assert pace.analysis == (
        {
            "name": "e", "type": "proxy", "measure": "error_rate",
            "success_condition": "result <= 0.01", "interval": 5, "failure_limit": 0,
            "inconclusive_limit": 0, "timeout": 10,
        },
    )  # fmt: skip
    assert pace.seconds_back == 90


def test_the_way_back_has_as_long_as_the_way_out_where_nothing_is_said(files: Files) -> None:
    text = with_lines("strategy_config: {progress_deadline: 77}")
    assert target_of(files, text).strategy_config.seconds_back == 77


def test_a_proxy_is_read_and_survives_its_snapshot(files: Files) -> None:
    files.write("CERT", "cert.pem")
    text = with_lines(
        "proxy:", "  host: [a.example.com, b.example.com]", "  app_port: 9000",
        "  tls: {cert: cert.pem, key: {env: KEY}}", "  drain: 5", "  keep_old: false",
        "  health_path: /health", "  hosts: [{hostname: lb.example.com, username: ops}]",
    )  # fmt: skip
    target = target_of(files, text)
    proxy = target.proxy
    assert proxy is not None
    assert proxy.names == ("a.example.com", "b.example.com")
    assert (proxy.port, proxy.tls_port, proxy.app_port, proxy.drain) == (80, 443, 9000, 5)
    assert (proxy.keep_old, proxy.tls, proxy.local) == (False, True, False)
    assert proxy.hosts == (Host("lb.example.com", "lb.example.com", username="ops"),)
    assert target.secrets["tls:key"] == {"env": "KEY"}
    assert target.secrets["tls:cert"] == {"file": str(files.folder / "cert.pem")}
    assert "CERT" not in json.dumps(asdict(target))
    assert Target.from_json(json.loads(json.dumps(target.as_json()))) == target


@pytest.mark.parametrize(
    ("acme", "told"),
    [
        ("{}", {"directory": LETS_ENCRYPT}),
        (
            "{email: ops@example.com, directory: 'https://ca.example.com/directory'}",
            {"email": "ops@example.com", "directory": "https://ca.example.com/directory"},
        ),
    ],
)
def test_a_certificate_of_an_authority_is_asked_for_in_the_request(
    files: Files, acme: str, told: dict[str, str]
) -> None:
    target = target_of(files, with_lines(f"proxy: {{host: a.example.com, tls: {{acme: {acme}}}}}"))
    assert target.proxy is not None
    assert target.proxy.as_request(target.hosts)["tls"] == {"acme": told}
    assert not [purpose for purpose in target.secrets if purpose.startswith("tls:")]
    assert Target.from_json(json.loads(json.dumps(target.as_json()))) == target


def test_a_proxy_of_nothing_is_on_the_hosts_of_the_service(files: Files) -> None:
    proxy = target_of(files, with_lines("proxy: {}")).proxy
    assert proxy is not None
    assert (proxy.local, proxy.names, proxy.tls, proxy.keep_old) == (True, (), False, True)
    assert target_of(files, with_lines()).proxy is None


def test_another_s_balancer_is_read(files: Files) -> None:
    text = with_lines("proxy: {type: none, drain_command: [lb, out], undrain_command: [lb, in]}")
    proxy = target_of(files, text).proxy
    assert proxy is not None
    assert (proxy.kind, proxy.local, proxy.drain_command) == ("none", False, ("lb", "out"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (with_lines("strategy: canary"), "strategy: canary needs a proxy on the service's hosts"),
        (
            with_lines("strategy: blue-green", "proxy: {type: none, drain_command: [x]}"),
            "strategy: blue-green needs a proxy of Fraisier's",
        ),
        (
            with_lines("strategy: canary", "proxy: {app_port: 1, hosts: [{hostname: lb}]}"),
            "strategy: canary needs the proxy on the service's own hosts",
        ),
        (with_lines("strategy: canary", "proxy: {}"), "strategy: canary needs its steps"),
        (
            canary("{weight: 0, pause: 1}"),
            "strategy_config.canary[0].weight: must be at least 1, got 0",
        ),
        (
            canary("{weight: 20, pause: 1}, {weight: 20, pause: 1}"),
            "strategy_config.canary[1].weight: must be more than the step before it has (20)",
        ),
        (
            canary("{weight: 20, pause: later}"),
            'strategy_config.canary[0].pause: expected resume; got "later"',
        ),
        (canary("{weight: 20}"), 'strategy_config.canary[0]: "pause" is missing'),
        (
            canary("{weight: 9, pause: 400}, {weight: 10, pause: 200}"),
            "strategy_config.canary: must be more than the pauses of the canary together (600 s)",
        ),
        (
            canary(more=", progress_deadline: 20"),
            "strategy_config.progress_deadline: must be more than the pauses of the canary",
        ),
        (
            analysis("{name: e, type: ping}"),
            "strategy_config.analysis[0].type: expected one of proxy, http, exec, prometheus",
        ),
        (
            analysis('{name: e, type: proxy, success_condition: "result < 1"}'),
            'strategy_config.analysis[0]: "measure" is missing',
        ),
        (
            analysis("{name: e, type: proxy, measure: latency}"),
            "strategy_config.analysis[0]: success_condition or failure_condition is missing",
        ),
        (
            analysis('{name: e, type: proxy, measure: latency, success_condition: "import os"}'),
            "strategy_config.analysis[0].success_condition: ",
        ),
        (
            analysis("{name: e, type: exec, command: [x], query: up}"),
            "strategy_config.analysis[0].query: means nothing with the type exec",
        ),
        (
            analysis("{name: e, type: http, url: ftp://x}"),
            "strategy_config.analysis[0].url: must be a whole http or https URL",
        ),
        (
            analysis("{name: e, type: exec, command: [x]}, {name: e, type: exec, command: [x]}"),
            "strategy_config.analysis[1].name: e is the name of another one already",
        ),
        (
            with_lines("proxy: {hosts: [{hostname: lb}]}"),
            'proxy: "app_port" is missing: where the proxy finds the service on its hosts',
        ),
        (
            with_lines("proxy: {app_port: 1, hosts: [{hostname: lb}, {hostname: lb}]}"),
            "proxy.hosts[1]: lb is in the list already; give one another `name`",
        ),
        (with_lines("proxy: {type: none}"), "proxy: drain_command or undrain_command is missing"),
        (
            with_lines("proxy: {type: none, port: 80, drain_command: [x]}"),
            "proxy.port: means nothing with the type none",
        ),
        (
            with_lines("proxy: {drain_command: [x]}"),
            "proxy.drain_command: is for a balancer of yours: it needs type: none",
        ),
        (with_lines("proxy: {tls: {cert: c.pem}}"), 'proxy.tls: "key" is missing'),
        (with_lines("proxy: {tls: {}}"), "proxy.tls: needs cert and key, or acme"),
        (
            with_lines("proxy: {host: a.example.com, tls: {cert: c, key: k, acme: {}}}"),
            "proxy.tls: has cert and key, or acme; not both",
        ),
        (
            with_lines("proxy: {port: 443, host: a.b, tls: {acme: {}}}"),
            "proxy.tls_port: 443 is `port` already",
        ),
        (
            with_lines("proxy: {app_port: 79}"),
            "proxy.app_port: and the port after it are those of the two colours",
        ),
        (
            with_lines("proxy: {app_port: 65535}"),
            "proxy.app_port: and the port after it are those of the two colours",
        ),
        (
            with_lines("smoke: [{url: 'http://[::1/health'}]"),
            "smoke[0].url: is not a URL that can be read",
        ),
        (
            with_lines("proxy: {tls: {acme: {}}}"),
            "proxy.tls.acme: is for names: it needs proxy.host",
        ),
        (
            with_lines("proxy: {host: a.b, tls: {acme: {email: '-x'}}}"),
            'proxy.tls.acme.email: expected an e-mail address; got "-x"',
        ),
        (
            with_lines(
                "proxy: {host: a.b, app_port: 1, tls: {acme: {}}, "
                "hosts: [{hostname: l1}, {hostname: l2}]}"
            ),
            "proxy.tls.acme: an authority asks at one address, and this proxy is on 2 hosts",
        ),
        (
            with_lines("proxy: {host: 'a b'}"),
            'proxy.host: expected a host name, such as api.example.com; got "a b"',
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_path(files: Files, text: str, problem: str) -> None:
    (found,) = files.problems(text)
    assert found.partition(": ")[2].startswith(f"{ENVIRONMENT}.{problem}")


def test_a_proxy_on_the_hosts_is_told_by_root(files: Files) -> None:
    text = with_lines("proxy: {}") + "          become: false\n"
    (found,) = files.problems(text + "          service_user: deploy\n")
    assert "is root's: let root log in there, or become: true" in found
    rooted = text.replace("username: deploy", "username: root") + "          service_user: app\n"
    assert target_of(files, rooted).become is False


def test_an_environment_after_a_list_is_told_as_such(files: Files) -> None:
    document = yaml.safe_load(GOOD)
    environments = document["fraises"]["my_api"]["environments"]
    own = environments["production"]
    environments["production"] = {**own, "after": "staging"}
    environments["staging"] = {**own, "after": ["production"]}
    found = files.problems(yaml.safe_dump(document))
    assert any("environments.staging.after: expected" in problem for problem in found), found


def test_a_checkout_in_its_place_cannot_have_two_colours(files: Files) -> None:
    text = with_lines("proxy: {}").replace("app_path:", "layout: in_place\n          app_path:")
    (found,) = files.problems(text)
    assert "needs the layout releases" in found
