"""nginx in front of TorchServe, as configured in deploy/nginx: TLS, tokens and limits."""

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from string import Template

import psutil

from scripts.failure import Failure
from scripts.launcher.certificate import make_certificate
from scripts.launcher.properties import Properties
from scripts.launcher.server import Server
from scripts.paths import ROOT

TEMPLATES = ROOT / "deploy" / "nginx"
# Requests in progress may take this many seconds after nginx was told to stop.
STOP_SECONDS = 30.0
_SETTINGS = {
    *("listen", "certificate", "certificate_key", "clients", "backends"),
    *("requests_per_second", "concurrent_requests"),
}
# Debian installs nginx in a folder that is not on the PATH of ordinary users.
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


class Front:
    """One nginx in front of `server`; its folder `run` holds its configuration, logs and secrets.

    `settings` are those of deploy/nginx/front.properties.
    """

    def __init__(self, settings: Properties, server: Server, run: Path) -> None:
        self.server = server
        self.run = run.absolute()
        self.access_log = self.run / "access.log"
        self._settings = settings.values
        self._token = self.run / "token.conf"

    @property
    def address(self) -> str:
        """The URL at which this machine reaches the front."""
        host, _, port = self._settings["listen"].rpartition(":")
        local = host in ("", "0.0.0.0", "127.0.0.1", "[::]", "[::1]")  # noqa: S104
        return f"https://{'localhost' if local else host}:{port}"

    @property
    def certificate(self) -> Path:
        """The certificate: that of the settings, or one made for this machine."""
        return self._path("certificate", "certificate.pem")

    @property
    def clients(self) -> Path:
        """The file with the tokens of clients."""
        required = self.server.properties.needs_token
        return self._path("clients", "clients.conf" if required else "anyone.conf")

    @property
    def made_a_token(self) -> bool:
        """Whether clients need the one token that `start` has made."""
        return self.server.properties.needs_token and not self._settings["clients"]

    def start(self) -> None:
        """Start nginx, or apply the settings if it is running.

        Raises Failure if nginx is not installed or refuses its configuration.
        """
        self.check()
        self.run.mkdir(parents=True, exist_ok=True)
        self._write_secrets()
        self._write_configuration()
        self._nginx(*(("-s", "reload") if self._master() else ()))

    def check(self) -> None:
        """Raises Failure if nginx is not installed, or for a setting that cannot be used."""
        if nginx_command() is None:
            raise Failure(
                "nginx is not installed: install it, such as with 'apt-get install nginx'."
            )
        if missing := _SETTINGS - self._settings.keys():
            raise Failure(
                f"{' and '.join(sorted(missing))} is missing in front.properties: add it again."
            )
        if self._settings["clients"]:
            self._check_clients()

    def reload(self) -> None:
        """Apply TorchServe's present token and changes of the clients' tokens, if it is running."""
        if self._master() is None:
            return
        self._check_clients()
        self._write_token()
        self._nginx("-s", "reload")

    @property
    def is_running(self) -> bool:
        """Whether its nginx runs."""
        return self._master() is not None

    def quit(self) -> None:
        """Have nginx take no new requests, and end when those in progress are answered."""
        # Not `nginx -s quit`, which does nothing while the configuration has an error.
        if master := self._master():
            with contextlib.suppress(psutil.NoSuchProcess):
                master.send_signal(signal.SIGQUIT)

    def stop(self) -> None:
        """The same, and wait until it has ended, at most `STOP_SECONDS`."""
        master = self._master()
        if master is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            processes = [master, *master.children()]
            self.quit()
            for process in psutil.wait_procs(processes, timeout=STOP_SECONDS)[1]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()

    def _master(self) -> psutil.Process | None:
        """The main process of this nginx, if it is running."""
        try:
            process = psutil.Process(int((self.run / "nginx.pid").read_text(encoding="utf-8")))
            # Another process may have the number of an nginx that was killed.
            return process if f"{self.run}/" in " ".join(process.cmdline()) else None
        except (OSError, ValueError, psutil.Error):
            return None

    def _nginx(self, *arguments: str) -> None:
        completed = subprocess.run(
            [
                nginx_command() or "nginx",
                "-p",
                f"{self.run}/",
                "-c",
                "nginx.conf",
                "-e",
                "error.log",
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if completed.returncode:
            raise Failure(
                "nginx failed: change what its messages name, in front.properties.",
                completed.stderr.strip(),
            )

    def _write_secrets(self) -> None:
        """Make the certificate and the tokens of clients, unless there are any."""
        if not self._settings["certificate"]:
            make_certificate(self.certificate, self.run / "key.pem")
        if not self._settings["clients"] and not self.clients.exists():
            required = self.server.properties.needs_token
            entry = f"{secrets.token_hex(32)} client" if required else "default anonymous"
            _write_secret(self.clients, f"{entry};\n")
        self._check_clients()
        self._write_token()

    def _check_clients(self) -> None:
        """Raises Failure for what nginx would refuse: its message would show the token."""
        tokens: set[str] = set()
        try:
            lines = self.clients.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise Failure(
                f"{self.clients} cannot be read ({error.strerror}): change its permissions, or "
                "clients in front.properties."
            ) from None
        for number, line in enumerate(lines, start=1):
            entry = line.partition("#")[0].strip()
            if not entry:
                continue
            match = re.fullmatch(r"([^\s;]+)\s+[\w.-]+\s*;", entry)
            if match is None or match[1].lower() in tokens:
                raise Failure(
                    f"Line {number} of {self.clients} must be 'TOKEN NAME;', with a token that no "
                    "other line has."
                )
            tokens.add(match[1].lower())

    def _write_token(self) -> None:
        """Write the token that TorchServe requires, if it requires one."""
        header = ""
        if self.server.properties.needs_token:
            token = self.server.token("inference")
            header = f'proxy_set_header Authorization "Bearer {token}";\n'
        _write_secret(self._token, header)

    def _write_configuration(self) -> None:
        """Fill in the templates."""
        properties = self.server.properties
        backends = self._settings["backends"].split() or [
            properties.inference.removeprefix("http://")
        ]
        if len(backends) > 1 and properties.needs_token:
            raise Failure(
                "TorchServes with tokens of their own cannot share a front: set "
                "disable_token_authorization=true for all of them, or start a front for each."
            )
        max_body = properties.values["max_request_size"]
        values = {
            "LISTEN": self._settings["listen"],
            "CERTIFICATE": self.certificate,
            "CERTIFICATE_KEY": self._path("certificate_key", "key.pem"),
            "CLIENTS": self.clients,
            "BACKENDS": " ".join(f"server {b} max_fails=1 fail_timeout=5s;" for b in backends),
            "KEEPALIVE_MIN_TIMEOUT": "keepalive_min_timeout 5s;" if keeps_connections() else "",
            "MAX_BODY_BYTES": max_body,
            "BODY_BUFFER_BYTES": 6 * int(max_body),
            "REQUESTS_PER_SECOND": self._settings["requests_per_second"],
            "CONCURRENT_REQUESTS": self._settings["concurrent_requests"],
        }
        (self.run / "temp").mkdir(exist_ok=True)
        for path in TEMPLATES.glob("*.conf"):
            text = Template(path.read_text(encoding="utf-8")).safe_substitute(values)
            (self.run / path.name).write_text(text, encoding="utf-8")

    def _path(self, setting: str, default: str) -> Path:
        """The file of a setting, relative to the checkout; or else `default` in `run`."""
        name = self._settings[setting]
        return ROOT / name if name else self.run / default


def nginx_command() -> str | None:
    """The path of nginx, if it is installed."""
    return shutil.which("nginx", path=_PATH)


def keeps_connections() -> bool:
    """Whether nginx can keep idle connections open during a reload: 1.27.4 and newer can."""
    version = subprocess.run(
        [nginx_command() or "nginx", "-v"], capture_output=True, text=True, check=False
    ).stderr
    numbers = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", version)
    return numbers is not None and tuple(map(int, numbers.groups())) >= (1, 27, 4)


def _write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
