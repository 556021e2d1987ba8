"""A certificate for a server on this machine, made by openssl."""

import shutil
import socket
import subprocess
from pathlib import Path

from scripts.failure import Failure

_DAYS = 365
_RENEWED_BEFORE = 86_400  # seconds


def make_certificate(certificate: Path, key: Path) -> None:
    """Write a self-signed certificate for this machine's names and its key, as PEM.

    A certificate that is valid for another day is kept, since clients have been told to trust it.
    Raises Failure if openssl is missing.
    """
    if shutil.which("openssl") is None:
        raise Failure(
            "openssl is not installed: install it, or set certificate and certificate_key in "
            "front.properties."
        )
    check = [
        "openssl",
        "x509",
        "-checkend",
        str(_RENEWED_BEFORE),
        "-noout",
        "-in",
        str(certificate),
    ]
    if key.exists() and subprocess.run(check, capture_output=True, check=False).returncode == 0:
        return
    names = {"DNS:localhost", f"DNS:{socket.gethostname()}", "IP:127.0.0.1", "IP:::1"}
    extensions = (
        f"subjectAltName={','.join(sorted(names))}",
        "basicConstraints=critical,CA:TRUE",
        "keyUsage=critical,digitalSignature,keyCertSign",
        "extendedKeyUsage=serverAuth",
    )
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-noenc", "-newkey", "ec"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", str(_DAYS)),
            *("-subj", "/CN=localhost", "-keyout", key, "-out", certificate),
            *(argument for extension in extensions for argument in ("-addext", extension)),
        ],
        capture_output=True,
        check=True,
    )
