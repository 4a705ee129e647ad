"""Resolving references: values come out sealed, and what is missing is told without them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fraisier.config import resolve, resolve_all
from fraisier.config.secrets import MAX_BYTES
from fraisier.domain.errors import ConfigurationError
from fraisier.domain.secret import Secret, SecretReference


def _said(reference: dict[str, str], folder: Path, **environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        resolve_all({"TOKEN": reference}, environ=environ, base=folder)
    (problem,) = caught.value.problems
    assert (problem.file, problem.path) == ("secrets", "TOKEN")
    assert caught.value.hint
    return problem.message


@pytest.mark.parametrize(
    ("content", "value"),
    [("a\n", "a"), ("a\n\n", "a\n"), ("a\r\n", "a"), ("a b", "a b"), ("é\n", "é")],
)
def test_a_file_gives_its_text_without_its_last_newline(
    tmp_path: Path, content: str, value: str
) -> None:
    (tmp_path / "key").write_bytes(content.encode())
    secret = resolve(SecretReference("file", "key"), environ={}, base=tmp_path)
    assert isinstance(secret, Secret)
    assert secret.reveal() == value


def test_an_environment_variable_is_taken_as_it_is(tmp_path: Path) -> None:
    found = resolve_all({"A": {"env": "X"}}, environ={"X": " s\n"}, base=tmp_path)
    assert found["A"].reveal() == " s\n"
    assert "s" not in repr(found["A"]).strip("[]").lower().replace("redacted", "")


def test_every_missing_secret_is_named_at_once(tmp_path: Path) -> None:
    references = {"A": {"env": "UNSET"}, "B": {"file": "none"}, "C": {"env": "SET"}}
    with pytest.raises(ConfigurationError) as caught:
        resolve_all(references, environ={"SET": "hunter2"}, base=tmp_path)
    assert str(caught.value) == (
        "secrets: A: the environment variable UNSET is not set\n"
        f"secrets: B: {tmp_path}/none cannot be read: No such file or directory\n"
        "  give every secret a value where its reference says; nothing was sent to any host"
    )


def test_what_cannot_be_a_secret_is_refused_without_being_shown(tmp_path: Path) -> None:
    for name, content in (
        ("empty", b""),
        ("newline", b"\n"),
        ("large", b"hunter2" * MAX_BYTES),
        ("binary", b"hunter2\xff"),
        ("nul", b"hunter2\0"),
    ):
        (tmp_path / name).write_bytes(content)
    said = {name: _said({"file": name}, tmp_path) for name in os.listdir(tmp_path)}
    assert said["empty"] == f"{tmp_path}/empty is empty"
    assert said["newline"] == f"{tmp_path}/newline is empty"
    assert said["large"] == f"{tmp_path}/large is larger than 64 KiB"
    assert said["binary"] == f"{tmp_path}/binary is not UTF-8 text"
    assert said["nul"].startswith(f"{tmp_path}/nul holds a NUL character")
    assert _said({"env": "E"}, tmp_path, E="") == "the environment variable E is empty"
    assert _said({"file": "."}, tmp_path) == f"{tmp_path} is not a regular file"
    assert _said({"evn": "X"}, tmp_path).startswith("is no reference")


#: `hunter2`, encrypted by `ansible-vault encrypt` with the password `open sesame`.
VAULT = """\
$ANSIBLE_VAULT;1.1;AES256
30666535333861333236336236353466653966616238663663643631323838646335646133643938
6433666230356332663662356539386462663532636234370a343338653863386335663663623530
64393161373736323535626662336461373061646437306333356230623964343030303835656363
3931643739633161620a323864306134393037373865623964306438653039616631653662633864
3731
"""


@pytest.fixture
def vault(tmp_path: Path) -> dict[str, str]:
    """An environment with a password, and `secret.vault` encrypted with it."""
    (tmp_path / "password").write_text("open sesame\n")
    (tmp_path / "secret.vault").write_text(VAULT)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "ANSIBLE_VAULT_PASSWORD_FILE": str(tmp_path / "password"),
    }


def test_a_vault_is_opened_as_a_file_and_as_text(vault: dict[str, str], tmp_path: Path) -> None:
    text = (tmp_path / "secret.vault").read_text()
    references = {"FILE": {"vault": "secret.vault"}, "TEXT": {"vault": text}}
    found = resolve_all(references, environ=vault, base=tmp_path)
    assert {name: secret.reveal() for name, secret in found.items()} == {
        "FILE": "hunter2",
        "TEXT": "hunter2",
    }


def test_a_vault_that_does_not_open_says_why(vault: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open barley\n")
    said = _said({"vault": "secret.vault"}, tmp_path, **vault)
    assert said.startswith("ansible-vault could not decrypt it: ")
    assert "hunter2" not in said
    assert "barley" not in said
    (tmp_path / "plain").write_text("hunter2")
    said = _said({"vault": "plain"}, tmp_path, **vault)
    assert said == f"{tmp_path}/plain is not encrypted by Ansible Vault"
    said = _said({"vault": "secret.vault"}, tmp_path)
    assert said.startswith("{vault: …} needs ANSIBLE_VAULT_PASSWORD_FILE")
