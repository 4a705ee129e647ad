"""The configuration that `fraisier config init` writes for a start."""

from __future__ import annotations

_EXAMPLE = """\
# What Fraisier deploys, and where. Replace my-org, example.com and the names with your own,
# then check the file: fraisier config validate
#
# The next line lets plain Ansible use this file as an inventory as well.
plugin: fraisier.deploy.fraises

fraises:
  my_api:
    type: api
    description: The public API
    git_provider: github  # or gitlab, bitbucket; for others write a whole URL in git_repo
    git_repo: my-org/my-api
    git_branch: main  # its newest commit is deployed when no version is named

    environments:
      production:
        provider: bare_metal  # systemd services on hosts that SSH reaches
        strategy: rolling  # a few hosts at a time; recreate: all at once
        strategy_config:
          max_parallel: 1  # hosts changed at once: a number, or "50%"
          healthy_deadline: 60  # seconds within which a changed host must be healthy
        auto_rollback: true  # a failed deployment puts back what served before

        provider_config:
          hosts:
            - hostname: production-1.example.com
              port: 22
              username: deploy  # may use sudo without a password
              ssh_key_path: ~/.ssh/fraisier

          service_name: my-api
          systemd_service: my-api.service
          app_path: /opt/my-api  # releases/, shared/ and current live below it
          service_user: my-api  # builds and runs the service; must exist on the hosts

          build:  # run in the new release before it serves
            - python3 -m venv .venv
            - .venv/bin/pip install -r requirements.txt
          # exec: [bin/start.sh] # without it, an existing systemd unit is left as it is

          health_check:
            type: http  # or tcp, exec, systemd
            url: http://localhost:8000/health  # asked on the host itself
            timeout: 10

          env_vars:
            LOG_LEVEL: info
            # A secret is a reference, read when a deployment runs and never stored:
            # DATABASE_URL: {env: MY_API_DATABASE_URL}

          keep_releases: 5
"""


def example_config() -> str:
    """Return a commented `fraises.yaml` that is valid as it stands and deploys nothing real."""
    return _EXAMPLE
