"""Every client uses the certificates and proxies that the environment names."""

import datetime
import ipaddress
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sentiment_client import CertificateFailed, ManagementClient, SentimentError
from sentiment_client._address import is_loopback
from tests.unit.client_cases import OK, PREDICTION, Case
from tests.unit.scripted_server import Scripted, scripted

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*CA_VARIABLES, *PROXY_VARIABLES, *map(str.upper, PROXY_VARIABLES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@dataclass(frozen=True)
class Authority:
    """A self-signed certificate of localhost and its key, as PEM files."""

    certificate: Path
    key: Path
    folder: Path  # of certificates, with the names that OpenSSL expects


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("certificates")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    made = Authority(folder / "ca.pem", folder / "key.pem", folder / "folder")
    made.certificate.write_bytes(pem)
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    made.folder.mkdir()
    # OpenSSL finds a certificate by the hash of its subject.
    digest = hashes.Hash(hashes.SHA1())
    digest.update(_canonical(name))
    number = int.from_bytes(digest.finalize()[:4], "little")
    (made.folder / f"{number:08x}.0").write_bytes(pem)
    return made


def _canonical(name: x509.Name) -> bytes:
    """The bytes of a name that OpenSSL hashes: its parts in UTF-8, without the outer sequence."""
    encoded = name.public_bytes()
    return encoded[2:]


@contextmanager
def secure(case: Case, authority: Authority) -> Iterator[Scripted]:
    """A server of this kind with TLS."""
    tls: Any
    if case.kind == "grpc":
        pair = authority.key.read_bytes(), authority.certificate.read_bytes()
        tls = grpc.ssl_server_credentials([pair])
    else:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(authority.certificate, authority.key)
    with case.scripted(OK, tls=tls) as server:
        yield server


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("variable", CA_VARIABLES)
def test_certificates_of_the_environment_are_trusted(
    case: Case, authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str, host: str
) -> None:
    is_folder = variable == "SSL_CERT_DIR"
    monkeypatch.setenv(variable, str(authority.folder if is_folder else authority.certificate))
    with secure(case, authority) as server:
        with case.client(server.address.replace("127.0.0.1", host)) as client:
            assert client.predict("good") == PREDICTION


def test_verify_names_certificates_or_switches_the_check_off(
    case: Case, authority: Authority, recwarn: pytest.WarningsRecorder
) -> None:
    with secure(case, authority) as server:
        for path in (authority.certificate, str(authority.certificate), authority.folder):
            with case.client(server.address, verify=path) as client:
                assert client.predict("good") == PREDICTION
        if case.kind == "grpc":
            with pytest.raises(ValueError, match="verify=PATH"):
                case.client(server.address, verify=False)
        else:
            with case.client(server.address, verify=False) as client:
                assert client.predict("good") == PREDICTION


def test_a_management_client_trusts_the_same_certificates(authority: Authority) -> None:
    with secure(Case("rest"), authority) as server:
        with ManagementClient(server.address, verify=authority.certificate) as management:
            assert management.send("GET", "/models")
        with ManagementClient(server.address) as management:
            with pytest.raises(CertificateFailed):
                management.send("GET", "/models")


def test_a_certificate_that_is_not_trusted_fails_at_once(case: Case, authority: Authority) -> None:
    with secure(case, authority) as server, case.client(server.address) as client:
        started = time.monotonic()
        with pytest.raises(CertificateFailed, match=r"is not trusted .*SSL_CERT_FILE"):
            client.predict("good")
        assert time.monotonic() - started < 5


def test_tls_to_a_server_without_it_fails_at_once(case: Case) -> None:
    with case.scripted(OK) as server:
        with case.client(server.address.replace("http:", "https:")) as client:
            started = time.monotonic()
            with pytest.raises(SentimentError):
                client.predict("good")
            if case.kind != "grpc":  # which says no more than UNAVAILABLE
                assert time.monotonic() - started < 5


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_missing_certificate_file_is_named(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=r"ca\.pem.*verify"):
        case.client("https://localhost", verify=path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(ValueError, match=r"ca\.pem.*SSL_CERT_FILE"):
        case.client("https://localhost")
    case.client("http://localhost").close()  # needs none


def test_an_empty_path_never_switches_the_check_off(
    case: Case, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="There are no certificates at ''"):
        case.client("https://localhost", verify="")
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep)
    with pytest.raises(ValueError, match="SSL_CERT_DIR"):
        case.client("https://localhost")
    monkeypatch.setenv("SSL_CERT_DIR", f"{os.pathsep}{authority.folder}")
    with secure(case, authority) as server, case.client(server.address) as client:
        assert client.predict("good") == PREDICTION


def own_addresses() -> list[str]:
    """Addresses of this machine that are not loopback; empty if there are none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a datagram socket sends nothing here
        except OSError:
            return []
        return [probe.getsockname()[0]]


LOOPBACK = [
    "127.0.0.1",
    "127.8.9.10",
    "127.1",
    "0.0.0.0",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "any.localhost",
    "localhost.localdomain",
    "localhost4",
    "localhost6.localdomain6",
    "ip6-localhost",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[0:0:0:0:0:0:0:1]",
    socket.gethostname(),
    socket.gethostname().upper(),
    f"{socket.gethostname()}.",
    *own_addresses(),
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_names_and_addresses_of_this_machine_are_recognized(host: str) -> None:
    for address in (f"http://{host}:8080", f"https://{host}", f"{host}:7070"):
        assert is_loopback(address)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "localhost.example.com",
        "127.example.com",
        "notlocalhost",
        "10.255.255.254",
        "192.0.2.1",
        "224.0.0.1",
        "[2001:db8::1]",
        "[::ffff:192.0.2.1]",
    ],
)
def test_other_machines_are_not_taken_for_this_one(host: str) -> None:
    assert not is_loopback(f"http://{host}:8080")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost.", *own_addresses()])
def test_requests_to_this_machine_bypass_the_proxy(
    case: Case, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    with scripted((418, b"")) as proxy, case.scripted(OK) as server:
        for name in PROXY_VARIABLES[:3]:
            monkeypatch.setenv(name, proxy.address)
        address = server.address.replace("127.0.0.1", host)
        with case.client(address, max_retries=0) as client:
            if host in ("127.0.0.1", "localhost"):
                assert client.predict("good") == PREDICTION
            else:  # not known to every system, or not where the server listens
                with pytest.raises(SentimentError):
                    client.predict("good")
        assert proxy.requests == []


def test_a_proxy_is_used_for_other_machines_unless_no_proxy_names_them(
    http_case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted(OK) as proxy:
        monkeypatch.setenv("http_proxy", proxy.address.removeprefix("http://"))
        with http_case.client("http://nonesuch.invalid") as client:
            assert client.predict("good") == PREDICTION
        (method, target, *_) = proxy.requests[0]
        assert (method, target) == ("POST", "http://nonesuch.invalid/predictions/sentiment")
        monkeypatch.setenv("no_proxy", "nonesuch.invalid")
        with http_case.client("http://nonesuch.invalid") as client:
            with pytest.raises(SentimentError):
                client.predict("good")
        assert len(proxy.requests) == 1


def test_a_proxy_that_cannot_be_used_is_an_error_without_its_password(
    http_case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in ("socks5://joe:s3cret@127.0.0.1:1", "odd://joe:s3cret@x", "http://joe:s3cret@[x"):
        monkeypatch.setenv("http_proxy", url)
        with pytest.raises((SentimentError, ValueError)) as caught:
            with http_case.client("http://nonesuch.invalid", max_retries=0) as client:
                client.predict("good")
        assert "s3cret" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_passwords_of_netrc_are_never_sent(
    http_case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login joe password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with scripted(OK) as server:
        monkeypatch.setenv("http_proxy", server.address)
        for address in (server.address, "http://nonesuch.invalid"):
            with http_case.client(address) as client:
                client.predict("good")
        assert server.tokens == [None, None]
