"""What a deployment covers of a Compose project, on this machine's engine, without Ansible.

Compose recreates no container because a config, a secret or a mounted file has changed, and builds
nothing that is there already.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.fraisier.deploy.plugins.module_utils import compose_open, compose_site
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_deploy import deploy
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_preview import preview
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_restore import restore
from ansible_collections.fraisier.deploy.plugins.module_utils.wanted import Wanted
from integration.test_compose_engine import failure_of, run, site_of
from support.compose import Project, base_image, docker

STAY_UP = {"health_check": {"type": "docker"}, "min_healthy_time": 0.0}


class Shop(Project):
    """A service `api` beside `back`, both of which print what they are made from."""

    def document(self, api: dict[str, Any], back: dict[str, Any], **more: Any) -> None:
        """Write the Compose file; None removes a key."""
        plain = {"image": self.base, "command": ["sleep", "infinity"], "init": True}
        services = {"api": {**plain, "depends_on": ["back"], **api}, "back": {**plain, **back}}
        for name, own in services.items():
            services[name] = {key: value for key, value in own.items() if value is not None}
        document = {"services": services, **more}
        (self.folder / "docker-compose.yml").write_text(yaml.safe_dump(document))

    def deploy_here(self, **options: Any) -> compose_site.ComposeSite:
        """Deploy as the module does."""
        return run(self, lambda site: deploy(site, ""), **{**STAY_UP, **options})

    def restore_here(self, wanted: Wanted) -> compose_site.ComposeSite:
        """Go back as the module does."""
        return run(self, lambda site: restore(site, wanted), **STAY_UP)

    def reads(self, path: str, service: str = "api") -> str:
        """Return what a file has in the container of a service."""
        (id,) = self.containers(service).values()
        return docker("exec", id, "cat", path)


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Shop]:
    """Return a project whose state is in a folder of the test's own."""
    for module in (compose_site, compose_open):
        monkeypatch.setattr(module, "state_home", lambda: str(tmp_path / "state"))
    folder = tmp_path / "project"
    folder.mkdir()
    name = f"t{os.getpid()}-{abs(hash(request.node.nodeid)) % 10**8}"
    made = Shop(folder, name, base_image())
    yield made
    made.remove()
    for reference in docker("images", "--format", "{{.Repository}}:{{.Tag}}").split():
        if name in reference:
            docker("rmi", "--force", reference, check=False)


def test_changed_configs_secrets_and_mounted_files_reach_the_containers(shop: Shop) -> None:
    (shop.folder / "file.txt").write_text("file 1")
    (shop.folder / "conf").mkdir()
    (shop.folder / "conf/a").write_text("folder 1")
    uses = {
        "configs": [{"source": "text", "target": "/text"}, {"source": "file", "target": "/file"}],
        "secrets": ["word"],
        "volumes": ["./file.txt:/mounted", "./conf:/conf:ro", "./data:/data"],
    }
    back = {"configs": [{"source": "text", "target": "/text"}]}

    def write(text: str) -> None:
        shop.document(
            uses, back, configs={"text": {"content": text}, "file": {"file": "./file.txt"}},
            secrets={"word": {"environment": "WORD"}},
        )  # fmt: skip

    write("text 1")
    shop.deploy_here(env_vars={"WORD": "word 1"})
    before = (shop.containers(), shop.containers("back"))
    (shop.folder / "data/written-by-the-container").write_text("x")
    again = shop.deploy_here(env_vars={"WORD": "word 1"})
    assert (shop.containers(), shop.containers("back")) == before
    assert not again.changed
    assert "may write there: data" in str(again.report.log)

    write("text 2")
    shop.deploy_here(env_vars={"WORD": "word 1"})
    assert (shop.reads("/text"), shop.reads("/text", "back")) == ("text 2", "text 2")
    shop.deploy_here(env_vars={"WORD": "word 2"})
    assert shop.reads("/run/secrets/word") == "word 2"
    for name, path in (("file.txt", "/mounted"), ("conf/a", "/conf/a")):
        seen = shop.containers()
        (shop.folder / "new").write_text("changed")
        (shop.folder / "new").rename(shop.folder / name)  # as editors and git do
        site = site_of(shop, **STAY_UP, env_vars={"WORD": "word 2"})
        preview(site, "")
        assert site.changed, name
        shop.deploy_here(env_vars={"WORD": "word 2"})
        assert shop.containers() != seen, name
        assert shop.reads(path) == "changed"
    assert shop.reads("/file") == "changed"


def test_a_rollback_brings_mounted_files_back_and_leaves_those_of_the_folder(shop: Shop) -> None:
    (shop.folder / "file.txt").write_text("good")
    shop.document({"volumes": ["./file.txt:/mounted:ro"]}, {})
    first = shop.deploy_here().ledger.current()
    (shop.folder / "file.txt").write_text("bad")
    shop.deploy_here()
    assert shop.reads("/mounted") == "bad"
    shop.restore_here(Wanted(to=first))
    assert shop.reads("/mounted") == "good"
    assert (shop.folder / "file.txt").read_text() == "bad"
    shop.deploy_here()
    assert shop.reads("/mounted") == "bad"


def test_what_the_service_needs_is_built_anew_and_a_version_covers_it(shop: Shop) -> None:
    for name in ("front", "rear"):
        (shop.folder / name).mkdir()
        (shop.folder / name / "Dockerfile").write_text(f"FROM {shop.base}\nCOPY what /what\n")
        (shop.folder / name / "what").write_text(f"{name} 1")
    shop.document({"image": None, "build": "./front"}, {"image": None, "build": "./rear"})
    one = shop.deploy_here().result()["release"]
    before = (shop.containers(), shop.containers("back"))
    assert not shop.deploy_here().switched
    assert (shop.containers(), shop.containers("back")) == before

    (shop.folder / "rear/what").write_text("rear 2")
    two = shop.deploy_here().result()["release"]
    assert shop.reads("/what", "back") == "rear 2"
    assert two["version"] != one["version"], "its own image is the same, what it needs is not"
    shop.restore_here(Wanted(version=one["version"]))
    assert shop.reads("/what", "back") == "rear 1"
    assert shop.reads("/what") == "front 1"
    named = run(shop, lambda site: deploy(site, two["version"]), **STAY_UP)
    assert named.result()["release"]["version"] == two["version"]
    assert shop.reads("/what", "back") == "rear 2"


@pytest.mark.slow
def test_a_dependency_that_is_not_as_it_was_brought_up_is_brought_up_again(shop: Shop) -> None:
    shop.document({}, {"scale": 2})
    shop.deploy_here()
    one, two = sorted(shop.containers("back"))
    docker("rm", "--force", two)
    shop.deploy_here()
    assert sorted(shop.containers("back")) == [one, two]


def test_a_variable_without_a_value_is_refused_before_anything_changes(shop: Shop) -> None:
    shop.document({"secrets": ["word"]}, {}, secrets={"word": {"environment": "WORD"}})
    shop.deploy_here(env_vars={"WORD": "a word"})
    before = shop.containers()
    refused = failure_of(lambda: shop.deploy_here())
    assert refused.code == "variable_missing"
    assert shop.containers() == before
