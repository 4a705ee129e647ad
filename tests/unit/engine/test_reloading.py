"""A configuration that follows its files: what is taken, what is left, and who sees which."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

import pytest

from fraisier.cli.working import following
from fraisier.config import load
from fraisier.config.watching import seen
from fraisier.domain.catalogue import Catalogue
from fraisier.domain.delivery import WEBHOOK, Endpoint
from fraisier.domain.errors import FraiseNotFound
from fraisier.engine.current import CurrentCatalogue, Followed
from fraisier.engine.reloading import Reloading
from fraisier.engine.retelling import retelling
from support.fakes import make_catalogue, make_target

FRAISE = """
  {name}:
    git_repo: /git/{name}.git
    environments:
      production:
        provider: bare_metal
        provider_config:
          hosts: [{{hostname: 192.0.2.1, username: deploy}}]
          service_name: {name}
          app_path: /opt/{name}
          exec: [bin/start]
          health_check: {{type: systemd}}
"""


def written(*names: str) -> str:
    """Return a file with these fraises."""
    return "fraises:" + "".join(FRAISE.format(name=name) for name in names)


class Files:
    """A file, and the catalogue that follows it, looked at by hand."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "fraises.yaml"
        self.file.write_text(written("api"))
        self.current = CurrentCatalogue(self.load())
        self.reloading = Reloading(self.current, self.load, lambda: seen(self.file, {}))
        self.look()

    def load(self) -> Catalogue:
        return load(str(self.file), environ={})

    def look(self) -> None:
        """Look as often as a change that is at rest needs."""
        self.reloading.look()
        self.reloading.look()

    @property
    def names(self) -> set[str]:
        return set(self.current.fraises)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Return a file that is files."""
    return Files(tmp_path)


def test_what_was_added_to_the_file_is_there(files: Files) -> None:
    before = files.reloading.digest
    files.file.write_text(written("api", "site"))
    files.look()
    assert files.names == {"api", "site"}
    assert files.current.target("site", "production").fraise == "site"
    assert files.reloading.digest not in ("", before)


def test_a_bad_file_leaves_the_earlier_configuration_and_is_told_once(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    before = files.reloading.digest
    for end in ("\n", "\n\n"):
        files.file.write_text(written("api", "site").replace("hostname", "hostnme") + end)
        files.look()
    assert files.names == {"api"}
    assert files.reloading.digest == before
    assert 'did you mean "hostname"' in files.reloading.trouble
    told = [record for record in caplog.records if "cannot be used" in record.message]
    assert len(told) == 1
    assert "hostnme" in told[0].message
    files.file.write_text(written("api", "site"))
    files.look()
    assert files.names == {"api", "site"}
    assert files.reloading.trouble == ""


def test_the_earlier_file_written_again_ends_the_trouble(files: Files) -> None:
    before = files.current.now
    files.file.write_text("fraises: [")
    files.look()
    assert files.reloading.trouble
    files.file.write_text(written("api"))
    files.look()
    assert files.reloading.trouble == ""
    assert files.current.now is before


def test_a_file_that_is_being_written_is_not_read(files: Files) -> None:
    files.file.write_text("fraises: {}\n")  # good, and not what is meant
    files.reloading.look()
    files.file.write_text(written("api", "site"))
    files.reloading.look()
    assert files.names == {"api"}
    files.reloading.look()
    assert files.names == {"api", "site"}


def test_a_file_that_changes_while_it_is_read_is_read_again(files: Files) -> None:
    texts = [written("api"), written("api", "site")]

    def torn() -> Catalogue:
        found = files.load()
        if texts:
            files.file.write_text(texts.pop())
        return found

    reloading = Reloading(files.current, torn, lambda: seen(files.file, {}))
    files.file.write_text("fraises: {}\n")
    reloading.read()
    assert files.names == {"api"}


def test_a_file_that_is_gone_leaves_the_earlier_configuration(files: Files) -> None:
    files.file.unlink()
    files.look()
    assert files.names == {"api"}
    assert "no such file" in files.reloading.trouble


def test_a_file_that_was_put_in_the_place_of_another_is_read(files: Files) -> None:
    other = files.file.with_name("new.yaml")
    other.write_text(written("web"))  # as long as before
    old = files.file.stat()
    os.utime(other, ns=(old.st_atime_ns, old.st_mtime_ns))
    other.replace(files.file)
    files.look()
    assert files.names == {"web"}


def test_a_comment_changes_nothing(files: Files) -> None:
    before = files.current.now
    files.file.write_text(f"# a word\n{written('api')}")
    files.look()
    assert files.current.now is before


def test_a_provider_that_changes_is_read(files: Files) -> None:
    provider = files.file.parent / "providers" / "mine" / "provider.yml"
    provider.parent.mkdir(parents=True)
    text = (
        "{name: mine, description: One, playbooks: {deploy: deploy.yml}, role: mine, schema: {},"
        " capabilities: {strategies: [recreate], default_strategy: recreate}}"
    )
    provider.write_text(text)
    files.look()
    assert files.current.providers["mine"].description == "One"
    before = files.reloading.digest
    provider.write_text(text.replace("One", "Two"))
    files.look()
    assert files.current.providers["mine"].description == "Two"
    assert files.reloading.digest != before


def test_the_same_files_in_another_folder_have_the_same_identity(tmp_path: Path) -> None:
    digests = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        digests.add(Files(tmp_path / name).reloading.digest)
    assert len(digests) == 1


def test_a_signal_has_the_file_read_at_once(files: Files) -> None:
    reloading = Reloading(files.current, files.load, lambda: seen(files.file, {}), every=3600)
    taken, before = threading.Event(), signal.getsignal(signal.SIGHUP)
    try:
        with files.current.heard_by(lambda *_: taken.set()), following(reloading):
            files.file.write_text(written("api", "site"))
            signal.raise_signal(signal.SIGHUP)
            assert taken.wait(60)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert files.names == {"api", "site"}
    assert not any(each.name == "configuration" for each in threading.enumerate())


def test_what_is_pinned_sees_one_configuration_to_its_end() -> None:
    first, second = make_catalogue(make_target()), make_catalogue(make_target(fraise="site"))
    current = CurrentCatalogue(first)
    with current.pinned():
        current.take(second)
        assert current.fraise("api").name == "api"
        assert current.now is first
        with pytest.raises(FraiseNotFound):
            current.fraise("site")
    assert current.now is second
    assert set(current.fraises) == {"site"}


def test_every_field_of_a_catalogue_follows() -> None:
    first = make_catalogue(make_target())
    changed = {each.name: object() for each in fields(Catalogue)}
    current = CurrentCatalogue(first)
    current.take(Catalogue(**changed))
    assert {each.name: getattr(current, each.name) for each in fields(Catalogue)} == changed


def test_a_followed_mapping_is_looked_up_anew() -> None:
    found = {"a": 1}
    mapping = Followed(lambda: found)
    values = mapping.values()
    found["b"] = 2
    assert dict(mapping) == {"a": 1, "b": 2}
    assert list(values) == [1, 2]
    assert mapping.get("c") is None


def test_telling_begins_anew_only_for_other_receivers() -> None:
    log: list[str] = []

    @contextmanager
    def begin() -> Iterator[None]:
        log.append("begun")
        yield
        log.append("ended")

    first = make_catalogue(make_target())
    current = CurrentCatalogue(first)
    with retelling(current, begin):
        current.take(replace(first, digest="2"))
        assert log == ["begun"]
        hook = Endpoint("hook", WEBHOOK, "https://example.com/hook")
        current.take(replace(first, receivers=(hook,)))
        assert log == ["begun", "ended", "begun"]
    assert log == ["begun", "ended", "begun", "ended"]
