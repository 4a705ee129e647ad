"""What docs/RELEASES.md tells its readers to type works where its keys are configured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from documents import TOP, Session

from support.pages import Page
from support.target import Target

PAGE = Page(TOP / "docs/RELEASES.md")
SAVED = "/opt/my-api/shared/app.db"


@pytest.mark.slow
@pytest.mark.cpu_seconds(30, reason="a dozen deployments, as the document tells them")
def test_the_shell_blocks_work(make_target: Callable[[int], Target], home: Path) -> None:
    target = make_target(2)
    production, staging = target.hosts
    before_the_other(target)
    target.repository.commit("good")
    assert target.fraisier("deploy", "my_api", "staging").code == 0
    assert target.deploy("--no-backup").code == 0, "there is nothing to save yet"
    target.inside(production, f"echo kept > {SAVED}; chown app {SAVED}")
    taken = target.fraisier("backups", "take", "my_api", "production")
    assert taken.code == 0, taken.said
    listed = target.fraisier("--json", "backups", "list", "my_api", "production").json
    (backup,) = listed["hosts"][0]["backups"]
    target.inside(production, f"echo spoilt > {SAVED}")

    blocks = [block.text for block in PAGE.blocks("bash")]
    mine = {"20261123-195319": backup["id"], "production-1.example.com": production.address}
    for written, actual in mine.items():
        assert any(written in block for block in blocks)
        blocks = [block.replace(written, actual) for block in blocks]
    done = Session.create(target, home).run(blocks)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert target.inside(production, f"cat {SAVED}") == "kept"
    assert target.served(production) == target.served(staging)
    assert target.last()["options"]["promoted_from"]


def before_the_other(target: Target) -> None:
    """Give the first host to production, with a backup, and the second to the staging before."""
    file = target.folder / "fraises.yaml"
    document = yaml.safe_load(file.read_text())
    environments = document["fraises"]["my_api"]["environments"]
    production = environments["production"]
    first, second = production["provider_config"]["hosts"]
    own = production["provider_config"]
    environments["staging"] = {**production, "provider_config": {**own, "hosts": [second]}}
    backup = {"command": ["/bin/cat", SAVED], "restore_command": f"cat > {SAVED}"}
    environments["production"] = {
        **production,
        "provider_config": {**own, "hosts": [first]},
        "after": "staging",
        "backup": backup,
    }
    file.write_text(yaml.safe_dump(document))
