"""Every kind of bad configuration: the exact line, path and sentence."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.inventory import BaseInventoryPlugin
from config_files import GOOD, Files, changed, with_config

from ansible_collections.fraisier.deploy.plugins.module_utils.host_names import check_host
from fraisier.domain.errors import ConfigurationError

FRAISE = "fraises.my_api"
ENVIRONMENT = f"{FRAISE}.environments.production"
CONFIG = f"{ENVIRONMENT}.provider_config"

HOSTS = "hosts: [{hostname: one.example.com, username: deploy}]"


@pytest.mark.parametrize(
    ("pieces", "problem"),
    [
        (
            {"type: api": "type: apo"},
            f'3: {FRAISE}.type: expected one of api, worker, scheduled, etl, backup; got "apo"',
        ),
        (
            {"type: api": "git_repository: x"},
            f'3: {FRAISE}.git_repository: unknown key; did you mean "git_repo"?',
        ),
        ({"type: api": "hooks: {}"}, f"3: {FRAISE}.hooks: unknown key; known here: type, "),
        ({"git_repo: /srv/git/my-api": "description: x"}, f'2: {FRAISE}: "git_repo" is missing'),
        (
            {"git_repo: /srv": "git_branch: '{{ 7*7 }}'\n    git_repo: /srv"},
            f'4: {FRAISE}.git_branch: expected the name of a git branch; got "{{{{ 7*7 }}}}"',
        ),
        (
            {"git_repo: /srv": "git_branch: |\n      main\n    git_repo: /srv"},
            f'4: {FRAISE}.git_branch: expected the name of a git branch; got "main\\x0a"',
        ),
        (
            {"git_repo: /srv": "git_branch: --upload-pack=x\n    git_repo: /srv"},
            f'4: {FRAISE}.git_branch: expected the name of a git branch; got "--upload-pack=x"',
        ),
        (
            {"git_repo: /srv": "git_branch: 1.10\n    git_repo: /srv"},
            f"4: {FRAISE}.git_branch: expected a string, got 1.1 (a number); put it in quotes",
        ),
        (
            {"my_api:": "'{{ 7*7 }}':"},
            '2: fraises["{{ 7*7 }}"]: expected a name: a letter first, then letters, digits, '
            "- and _, at most 63 characters",
        ),
        (
            {"production:": f"{'p' * 64}:"},
            f"6: {FRAISE}.environments.{'p' * 64}: expected a name: a letter first, then letters,",
        ),
        (
            {"production:": '"production\\n":'},
            f'6: {FRAISE}.environments["production\\x0a"]: expected a name: a letter first, then',
        ),
        (
            {"provider: bare_metal": "provider: bare_mtal"},
            f'7: {ENVIRONMENT}.provider: unknown provider "bare_mtal"; known: bare_metal, '
            'coolify, docker_compose; did you mean "bare_metal"?',
        ),
        (
            {"provider: bare_metal": "provider: kubernetes"},
            f'7: {ENVIRONMENT}.provider: unknown provider "kubernetes"; known: bare_metal',
        ),
        (
            {"provider: bare_metal": "provider: bare-metal\n        strategy: blue_green"},
            f"8: {ENVIRONMENT}.strategy: blue-green needs a proxy on the service's hosts: write "
            "`proxy: {}` beside it",
        ),
        (
            {"provider: bare_metal": "provider: bare-metal\n        strategy: roling"},
            f'8: {ENVIRONMENT}.strategy: unknown strategy "roling"; known: recreate, rolling, '
            'blue-green, canary; did you mean "rolling"?',
        ),
        (
            {"provider: bare_metal": "provider: bare-metal\n        deploy_on: {branch: main}"},
            f"8: {ENVIRONMENT}.deploy_on: no git host may tell of pushes: write git: {{github: "
            "{webhook_secret: {env: …}}}",
        ),
        (
            {"provider: bare_metal": "provider: bare-metal\n        on_busy: wait"},
            f'8: {ENVIRONMENT}.on_busy: expected one of queue, supersede, reject; got "wait"',
        ),
        (
            {"provider: bare_metal": "provider: bare-metal\n        auto_rollback: 'yes'"},
            f'8: {ENVIRONMENT}.auto_rollback: expected true or false, got "yes" (a string)',
        ),
        (
            {HOSTS: f"{HOSTS}\n          hots: []"},
            f'10: {CONFIG}.hots: unknown key; did you mean "hosts"?',
        ),
        ({HOSTS: "known_hosts: x"}, f'8: {CONFIG}: "hosts" is missing'),
        ({HOSTS: "hosts: []"}, f"9: {CONFIG}.hosts: needs at least 1 entry, has 0"),
        ({HOSTS: "hosts:"}, f"9: {CONFIG}.hosts: expected a list or a mapping, got nothing"),
        (
            {HOSTS: "hosts: [{hostname: a, username: b, port: 70000}]"},
            f"9: {CONFIG}.hosts[0].port: must be at most 65535, got 70000",
        ),
        (
            {HOSTS: "hosts:\n            - {username: b}"},
            f'10: {CONFIG}.hosts[0]: "hostname" is missing',
        ),
        (
            {HOSTS: "hosts: [{hostname: -oProxyCommand=id, username: b}]"},
            f"9: {CONFIG}.hosts[0].hostname: expected a host name or an IP address; "
            'got "-oProxyCommand=id"',
        ),
        (
            {HOSTS: "hosts: [{hostname: a, username: b}, {hostname: a, port: 22}]"},
            f"9: {CONFIG}.hosts[1].hostname: a:22 is in the list already, as hosts[0]",
        ),
        (
            {HOSTS: "hosts: [{hostname: a, username: b}, {hostname: b, name: a}]"},
            f"9: {CONFIG}.hosts[1].name: a is the name of hosts[0] already; give one another",
        ),
        (
            {HOSTS: "hosts: [{hostname: a, username: b}, {hostname: a, port: 23}]"},
            f"9: {CONFIG}.hosts[1].hostname: a is the name of hosts[0] already; give one another",
        ),
        (
            {HOSTS: "hosts: [{hostname: a, username: b, ssh_key_path: '%h'}]"},
            f"9: {CONFIG}.hosts[0].ssh_key_path: must be a path without quotes, backslashes, % a",
        ),
        (
            {", username: deploy": ""},
            f"8: {CONFIG}: service_user is missing: name the user the service runs as",
        ),
        (
            {"service_name: my-api": "service_name: '{{ 7*7 }}'"},
            f"10: {CONFIG}.service_name: expected a name of letters, digits and _ . @ -; "
            'got "{{ 7*7 }}"',
        ),
        (
            {"service_name: my-api": "service_name: [a]"},
            f"10: {CONFIG}.service_name: expected a string, got a list",
        ),
        (
            {"app_path: /opt/my-api": "app_path: /"},
            f"11: {CONFIG}.app_path: must be at least two folders deep, such as /opt/my-api",
        ),
        (
            {"app_path: /opt/my-api": "app_path: /opt/../etc"},
            f"11: {CONFIG}.app_path: must not contain '..'",
        ),
        (
            {"app_path: /opt/my-api": "app_path: /etc/my-api"},
            f"11: {CONFIG}.app_path: belongs to the system: choose a folder of its own, such as",
        ),
        (
            {"fraises:\n": "notifications: {}\nfraises:\n"},
            "1: notifications: expected a list, got a mapping",
        ),
        (
            {"fraises:\n": "retention: {logs_days: 0}\nfraises:\n"},
            "1: retention.logs_days: must be at least 1, got 0",
        ),
        (
            {"fraises:\n": "retention: {days: 3}\nfraises:\n"},
            '1: retention.days: unknown key; did you mean "logs_days"?',
        ),
        (
            {"fraises:\n": "plugin: host_list\nfraises:\n"},
            '1: plugin: expected fraisier.deploy.fraises; got "host_list"',
        ),
    ],
)
def test_a_problem_is_told_with_line_path_and_what_to_do(
    files: Files, pieces: dict[str, str], problem: str
) -> None:
    (found,) = files.problems(changed(pieces))
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("host", "key", "said"),
    [
        ("hostname: 'host:22'", "hostname", "write the host host, and port: 22 beside it"),
        ("hostname: '10.0.0.1:2222'", "hostname", "port: 2222"),
        ("hostname: 'host:22', name: web", "hostname", "port: 22"),
        ("hostname: 'web[1:3]'", "hostname", ""),
        ("hostname: all", "hostname", "`name`"),
        ("hostname: ungrouped", "hostname", "`name`"),
        ("hostname: a, name: all", "name", "`name`"),
    ],
)
def test_a_host_name_that_ansible_reads_in_its_own_way_is_refused(
    files: Files, host: str, key: str, said: str
) -> None:
    """Without `name`, the hostname is the host's name in Ansible's inventory."""
    found = files.problems(changed({HOSTS: f"hosts: [{{{host}, username: b}}]"}))
    assert [problem for problem in found if f"hosts[0].{key}: " in problem and said in problem]
    proxy = f"\n        proxy: {{app_port: 80, hosts: [{{{host}}}]}}"
    found = files.problems(changed({"provider: bare_metal": f"provider: bare_metal{proxy}"}))
    assert [problem for problem in found if f"proxy.hosts[0].{key}: " in problem]


@pytest.mark.parametrize(
    "name",
    [
        "host", "host:22", "10.0.0.1", "10.0.0.1:22", "h:0", "a:b", "a:22b", "a:", ":22", "1:2",
        "::1", "::22", "2001:db8::22", "1:2:3:4:5:6:7:22", "::ffff:10.0.0.1", "fe80::1:22", "a-_b",
        "A.b.", "web[1:3]", "web[a:c]", "[::1]", "[::1]:22", "[host]:22", "x[", "0", "localhost",
        "_a",
    ],
)  # fmt: skip
def test_a_name_is_refused_where_ansible_reads_another(name: str) -> None:
    """And brackets that are no range, which no address has."""
    try:
        literal = BaseInventoryPlugin()._expand_hostpattern(name) == ([name], None)
    except (AnsibleError, ValueError):
        literal = False
    refused = [key for key, _ in check_host({"hostname": name})]
    assert refused == ([] if literal and not set(name) & set("[]") else ["hostname"])


@pytest.mark.parametrize(
    "host",
    [
        "hostname: '::1'",
        "hostname: '2001:db8::22'",
        "hostname: 2001:db8:0:0:0:0:0:22",
        "hostname: localhost, port: 2222",
        "hostname: all, name: everything",
        "hostname: all.example.com",
    ],
)
def test_host_names_that_ansible_takes_literally_are_accepted(files: Files, host: str) -> None:
    files.load(changed({HOSTS: f"hosts: [{{{host}, username: b}}]"}))


@pytest.mark.parametrize(
    ("hosts", "problem"),
    [
        ("{inventory: .}", '.hosts: "group" is missing'),
        ("{inventory: ./no-such.ini, group: web}", ".hosts.inventory: there is no ./no-such.ini"),
        ("{inventory: ., group: 'web:&db'}", ".hosts.group: expected the name of a group"),
    ],
)
def test_an_inventory_of_hosts_that_cannot_be_used_is_told(
    files: Files, hosts: str, problem: str
) -> None:
    assert any(problem in found for found in files.problems(changed({HOSTS: f"hosts: {hosts}"})))


@pytest.mark.parametrize(
    ("added", "problem"),
    [
        ("keep_releases: five", 'keep_releases: expected an integer, got "five" (a string)'),
        ("keep_releases: 1", "keep_releases: must be at least 2, got 1"),
        ("keep_releases: true", "keep_releases: expected an integer, got true (a boolean)"),
        ("layout: in_situ", 'layout: expected one of releases, in_place; got "in_situ"'),
        (
            "shared: [uploads]\n          layout: in_place",
            "shared: means nothing with the layout in_place",
        ),
        ("systemd_scope: user", "systemd_scope: user needs become: false"),
        (
            "become_password: {env: SUDO}\n          become: false",
            "become_password: is for sudo, and become is false",
        ),
        ("become_password: {env: 1SUDO}", "become_password: {env: …} must name an environment"),
        ("service_user: app\n          become: false", "service_user: without become deploy can"),
        ("systemd_service: my-api", "systemd_service: expected the name of a unit that ends in"),
        ("build: make", 'build: expected a list, got "make" (a string)'),
        ("build: [{a: b}]", "build[0]: expected a string or a list, got a mapping"),
        ("shared: [../up]", "shared[0]: must be a plain relative path"),
        ("shared: [config, config/db.yml]", "shared[1]: overlaps config, which is shared"),
        ("shared: [a/b, c, a]", "shared[2]: overlaps a/b"),
        ("shared: [.git]", "shared[0]: must not be in .git"),
        ("shared: [sub/.GIT/hooks]", "shared[0]: must not be in .git"),
        ("known_hosts: 'a\"b'", "known_hosts: must be a path without quotes"),
        (
            "health_check: {type: htp}",
            "health_check.type: expected one of http, tcp, exec, systemd",
        ),
        ("health_check: {type: http}", 'health_check: "url" is missing'),
        ("health_check: {type: tcp}", 'health_check: "port" is missing'),
        ("health_check: {type: exec}", 'health_check: "command" is missing'),
        ("health_check: {url: 'http://a/'}", 'health_check: "type" is missing'),
        (
            "health_check: {type: http, url: 'localhost:8000/health'}",
            "health_check.url: must be a whole http or https URL, such as http://localhost:8000/",
        ),
        (
            "health_check: {type: http, url: 'file:///etc/passwd'}",
            "health_check.url: must be a whole http or https URL",
        ),
        (
            "health_check: {type: http, url: 'http://me:pw@a/'}",
            "health_check.url: must not hold a user name or password; send them as headers",
        ),
        (
            "health_check: {type: http, url: 'http://a:b/'}",
            "health_check.url: is not a URL that can be read; check its host and port",
        ),
        (
            "env_vars: {1A: x}",
            "env_vars.1A: is no name for an environment variable: letters, digits and _, no digit",
        ),
        ('env_vars: {"A\\n": x}', 'env_vars["A\\x0a"]: is no name for an environment variable'),
        ("env_vars: {FRAISIER_VERSION: x}", "env_vars.FRAISIER_VERSION: is set by Fraisier itself"),
        ('env_vars: {A: "x\\0"}', "env_vars.A: must not hold a NUL character"),
        ('build: ["a\\0"]', "build[0]: must not hold a NUL character"),
        ("env_vars: {A: 1.10}", "env_vars.A: YAML does not read this as it is written: put it in"),
        ("env_vars: {A: no}", "env_vars.A: YAML does not read this as it is written: put it in"),
        ("env_vars: {A: 12:30}", "env_vars.A: YAML does not read this as it is written: put it in"),
        (
            "env_vars: {A: [x]}",
            "env_vars.A: expected a string, a number, true or false or a mapping",
        ),
        ("env_vars: {A: {env: 1A}}", "env_vars.A: {env: …} must name an environment variable"),
        ('env_vars: {A: {vault: "a\\nb"}}', "env_vars.A: {vault: …} must hold text that starts"),
    ],
)
def test_a_problem_of_provider_config_is_told(files: Files, added: str, problem: str) -> None:
    (found,) = files.problems(with_config(added))
    assert found.startswith(f"12: {CONFIG}.{problem}")


@pytest.mark.parametrize(
    ("pace", "problem"),
    [
        ("max_parallel: 0", "max_parallel: must be at least 1, got 0"),
        ("max_parallel: 150%", "max_parallel: expected a number of hosts from 1, or a percentage"),
        ("max_parallel: 1.5", "max_parallel: expected an integer or a string, got 1.5 (a number)"),
        ("max_parallel: 10000", "max_parallel: must be at most 9999, got 10000"),
        ("progress_deadline: 604801", "progress_deadline: must be at most 604800, got 604801"),
        ("progress_deadline: 0", "progress_deadline: must be more than 0, got 0"),
        ("healthy_deadline: soon", 'healthy_deadline: expected a number, got "soon" (a string)'),
        ("min_healthy_time: 60", "min_healthy_time: must be less than healthy_deadline (60)"),
        ("canary: []", "canary: needs at least 1 entry, has 0"),
        ("max_paralel: 1", 'max_paralel: unknown key; did you mean "max_parallel"?'),
    ],
)
def test_a_problem_of_the_pace_is_told(files: Files, pace: str, problem: str) -> None:
    provider = "provider: bare_metal"
    text = changed({provider: f"{provider}\n        strategy_config: {{{pace}}}"})
    (found,) = files.problems(text)
    assert found.startswith(f"8: {ENVIRONMENT}.strategy_config.{problem}")


def test_a_misspelt_reference_is_told_by_the_reference_it_resembles(files: Files) -> None:
    assert files.problems(with_config("env_vars: {A: {evn: TOKEN}}")) == [
        f'12: {CONFIG}.env_vars.A: "env" is missing',
        f'12: {CONFIG}.env_vars.A.evn: unknown key; did you mean "env"?',
    ]


def test_all_problems_of_a_file_come_at_once_in_its_order(files: Files) -> None:
    files.write(
        """\
        webhook: []
        fraises:
          one:
            git_repo: owner/one
            environments:
              production:
                provider: bare_metal
                provider_config:
                  hots: []
                  service_name: one
                  app_path: /
                  keep_releases: five
          two:
            git_repo: ext::sh -c id
            environments: {}
        """
    )
    one = "fraises.one.environments.production.provider_config"
    assert files.problems() == [
        '1: webhook: unknown key; did you mean "webhooks"?',
        "4: fraises.one.git_repo: needs a git_provider (github, gitlab, bitbucket) beside it; "
        "or write a whole URL, or ./ before a path",
        f'8: {one}: "hosts" is missing',
        f'9: {one}.hots: unknown key; did you mean "hosts"?',
        f"11: {one}.app_path: must be at least two folders deep, such as /opt/my-api",
        f'12: {one}.keep_releases: expected an integer, got "five" (a string)',
        "14: fraises.two.git_repo: names a helper of git (`…::`), which can run commands; "
        "use https or ssh",
        "15: fraises.two.environments: needs at least 1 entry, has 0",
    ]


def test_two_targets_in_one_place_on_a_host_are_refused(files: Files) -> None:
    text = GOOD + "      staging:\n" + GOOD.split("      production:\n")[1]
    staging = "fraises.my_api.environments.staging.provider_config"
    taken = "is that of my_api/production on one.example.com:22 already; give each its own"
    assert files.problems(text) == [
        f"16: {staging}.service_name: my-api.service {taken}",
        f"17: {staging}.app_path: /opt/my-api {taken}",
    ]


@pytest.mark.parametrize("root", ["[]", "fraises", "~", "fraises: []", "fraises:"])
def test_a_root_of_another_shape_is_told(files: Files, root: str) -> None:
    (problem,) = files.problems(root)
    assert "expected a mapping, got " in problem


@pytest.mark.parametrize(
    "added",
    [
        "env_vars: {A: [hunter2]}",
        "env_vars: {A: {evn: hunter2}}",
        'env_vars: {A: "hunter2\\0"}',
        "env_vars: {A: {env: hunter-2-hunter2}}",
        "token: hunter2",
        "health_check: {type: http, url: 'http://hunter2@a'}",
        "health_check: {type: http, url: 'http://a', headers: {Authorization: [hunter2]}}",
        "keep_releases: ${FROM_ENVIRONMENT}",
        "layout: ${FROM_ENVIRONMENT}",
    ],
)
def test_what_may_be_a_secret_is_never_shown(files: Files, added: str) -> None:
    files.environ["FROM_ENVIRONMENT"] = "hunter2"
    files.write(with_config(added))
    with pytest.raises(ConfigurationError) as caught:
        files.load()
    assert "hunter2" not in str(caught.value)
