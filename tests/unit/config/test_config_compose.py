"""Targets in containers: two of them are never the same service of the same project."""

from __future__ import annotations

from config_files import Files

TARGET = """\
      {name}:
        provider: docker-compose
        provider_config: {{docker_compose_file: ./docker-compose.yml, service: api{more}}}
"""
HEAD = "fraises:\n  my_api:\n    git_repo: ./\n    environments:\n"


def test_two_targets_are_not_one_service(files: Files) -> None:
    both = HEAD + TARGET.format(name="one", more="") + TARGET.format(name="two", more="")
    (problem,) = files.problems(both)
    assert "fraises.my_api.environments.two.provider_config.service" in problem
    assert "is that of my_api/one already; give each a project_name" in problem
    apart = HEAD + TARGET.format(name="one", more="")
    apart += TARGET.format(name="two", more=", project_name: other")
    assert len(files.load(apart).fraises["my_api"].targets) == 2
