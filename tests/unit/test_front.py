"""What the front checks and makes before nginx is started."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from scripts.failure import Failure
from scripts.launcher import front
from scripts.launcher.certificate import make_certificate
from scripts.launcher.front import TEMPLATES, Front
from scripts.launcher.properties import Properties
from scripts.launcher.server import Server
from scripts.paths import ROOT

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs openssl: apt-get install openssl"
)


def front_of(folder: Path, *, tokens: bool = False, **settings: str) -> Front:
    defaults = Properties.read(ROOT / "config.properties")
    properties = defaults.write(
        folder / "config.properties", disable_token_authorization=str(not tokens).lower()
    )
    server = Server(properties, ROOT / "model_store", ROOT / "log4j2.xml", folder, folder)
    server.key_file.write_text('{"inference": {"key": "abc"}}')
    values = Properties.read(TEMPLATES / "front.properties").values | settings
    return Front(Properties(TEMPLATES, values), server, folder / "nginx")


def test_without_nginx_it_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "_PATH", str(tmp_path))
    with pytest.raises(Failure, match="apt-get install nginx"):
        front_of(tmp_path).start()
    assert not (tmp_path / "nginx").exists()


@needs_openssl
def test_several_back_ends_with_tokens_of_their_own_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "nginx_command", lambda: "nginx")
    with pytest.raises(Failure, match="disable_token_authorization=true"):
        front_of(tmp_path, tokens=True, backends="127.0.0.1:1 127.0.0.1:2").start()


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:8443", "https://localhost:8443"),
        ("0.0.0.0:443", "https://localhost:443"),
        ("[::]:443", "https://localhost:443"),
        ("443", "https://localhost:443"),
        ("10.0.0.7:8443", "https://10.0.0.7:8443"),
    ],
)
def test_the_address_is_one_to_connect_to(tmp_path: Path, listen: str, address: str) -> None:
    assert front_of(tmp_path, listen=listen).address == address


@needs_openssl
def test_a_certificate_is_kept_until_it_is_about_to_expire(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    make_certificate(certificate, key)
    first = certificate.read_bytes()
    assert key.stat().st_mode & 0o077 == 0
    names = ssl._ssl._test_decode_cert(str(certificate))["subjectAltName"]  # type: ignore[attr-defined]
    assert {("DNS", "localhost"), ("IP Address", "127.0.0.1")} <= set(names)
    make_certificate(certificate, key)
    assert certificate.read_bytes() == first

    expire = f"openssl x509 -in {certificate} -key {key} -days 0 -out {certificate}"
    subprocess.run(expire.split(), check=True, capture_output=True)
    make_certificate(certificate, key)
    assert certificate.read_bytes() != first


def test_the_production_profile_changes_only_what_it_states() -> None:
    base = Properties.read(ROOT / "config.properties").values
    changes = Properties.read(ROOT / "deploy" / "production.properties").values
    assert changes.keys() <= base.keys()
    assert not [name for name, value in changes.items() if base[name] == value]
    assert changes["disable_token_authorization"] == "false"


@pytest.mark.skipif(front.nginx_command() is None, reason="needs nginx: apt-get install nginx")
def test_settings_that_cannot_be_used_are_named_before_the_server_is_started(
    tmp_path: Path,
) -> None:
    with pytest.raises(Failure, match=r"clients.conf cannot be read \(No such file"):
        front_of(tmp_path, clients=str(tmp_path / "clients.conf")).check()
    one = front_of(tmp_path)
    del one._settings["listen"]
    with pytest.raises(Failure, match=r"listen is missing in front.properties"):
        one.check()


@needs_openssl
@pytest.mark.parametrize(
    ("version", "keeps"), [("1.22.1", False), ("1.27.3", False), ("1.27.4", True), ("1.30.6", True)]
)
def test_idle_connections_are_kept_over_a_reload_where_nginx_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, keeps: bool
) -> None:
    nginx = tmp_path / "bin" / "nginx"
    nginx.parent.mkdir()
    nginx.write_text(f"#!/bin/sh\necho 'nginx version: nginx/{version} (Debian)' >&2\n")
    nginx.chmod(0o755)
    monkeypatch.setattr(front, "_PATH", str(nginx.parent))
    one = front_of(tmp_path)
    one.start()
    configuration = (one.run / "nginx.conf").read_text()
    assert ("    keepalive_min_timeout 5s;\n" in configuration) is keeps
    assert "KEEPALIVE" not in configuration
