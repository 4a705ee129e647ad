"""docs/COLLECTION.md knows every module, and every playbook that plain Ansible can run."""

from __future__ import annotations

from support import pages
from support.tree import COLLECTION

PAGE = pages.page("docs/COLLECTION.md")


def test_every_module_is_named() -> None:
    modules = {path.stem for path in (COLLECTION / "plugins/modules").glob("*.py")}
    assert modules
    assert {name for name in modules if not PAGE.row(name)} == set()


def test_every_playbook_that_takes_a_fraise_by_name_is_named() -> None:
    """Only those can be run without a request of Fraisier's; `walk` is what `deploy` is then."""
    playbooks = (COLLECTION / "playbooks").glob("*.yml")
    plain = {path.stem for path in playbooks if "plain" in path.read_text()} - {"walk"} | {"deploy"}
    assert {name for name in plain if not PAGE.row(f"fraisier.deploy.{name}")} == set()
