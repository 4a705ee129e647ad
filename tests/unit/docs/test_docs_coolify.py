"""What can go wrong with Coolify is in the table of its provider."""

from __future__ import annotations

import re

from support import pages

PAGE = pages.page("docs/PROVIDER_COOLIFY.md")
MODULES = pages.TOP / "collections/ansible_collections/fraisier/deploy/plugins/module_utils"


def test_every_code_of_coolify_is_in_the_table_of_its_provider() -> None:
    text = "".join(file.read_text() for file in MODULES.glob("coolify_*.py"))
    codes = set(re.findall(r'Failure\(\s*"([a-z_]+)"', text))
    assert len(codes) > 15
    missing = [code for code in sorted(codes) if not PAGE.row(code)]
    assert not missing, f"not in {PAGE.name}: {missing}"
