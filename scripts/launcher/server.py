"""Start one TorchServe, wait until it has answered, and end it with all its processes.

`make serve` and the tests both use this.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import psutil
import requests

from scripts.launcher import preflight, processes
from scripts.launcher.java import java_home
from scripts.launcher.ports import free_ports
from scripts.launcher.processes import Processes
from scripts.launcher.properties import Properties
from scripts.launcher.readiness import Readiness
from scripts.paths import ROOT
from scripts.silence import bypass_proxies
from sentiment_client import ManagementClient, Prediction, SentimentClient

MODEL = "sentiment"
EXAMPLE = "A gripping, beautifully shot film."
# Prefixes of environment variables that the server must not inherit: TorchServe's override the
# configuration, and Python's could put another `sentiment` before the archive's.
_NOT_INHERITED = ("TS_", "PYTHON")


class Server:
    """One TorchServe instance; its folder `run` holds its log and its state.

    Paths in `properties` are relative to `home`. TorchServe writes its tokens there, to
    key_file.json, so two instances need two homes. Worker sockets and extracted archives go to a
    private temporary folder, since sockets have the same names in all instances and need a short
    path.
    """

    def __init__(
        self, properties: Properties, model_store: Path, log_config: Path, home: Path, run: Path
    ) -> None:
        self.properties = properties
        self.model_store = model_store
        self.log_config = log_config
        self.home = home
        self.run = run
        self.log = run / "torchserve.log"
        self.key_file = home / "key_file.json"
        # While this file exists, workers answer `ready` with a 503.
        self.draining = run.resolve() / "draining"
        self._child: subprocess.Popen[bytes] | None = None
        self._state = run / "server.json"
        # The server is on this machine: no text may go to it through a proxy.
        bypass_proxies(host for host, _ in properties.ports().values())

    def start(self, *, foreground: bool = False) -> Prediction:
        """Start and wait; returns the answer to `EXAMPLE`. Raises Failure after cleaning up.

        In the `foreground`, the log goes to stdout instead of a file.
        """
        java = java_home()
        archive = self.model_store / f"{MODEL}.mar"
        preflight.check_archive(archive, MODEL)
        preflight.check_ports(self.properties)
        preflight.check_settings(self.properties, self.log_config, self.home)
        self.run.mkdir(parents=True, exist_ok=True)
        self.stop()  # removes what a killed server has left
        temp = Path(tempfile.mkdtemp(prefix="sentiment-"))
        try:
            # With the settings, since `stop` has to know them even if their file has changed.
            state = {"temp": str(temp), "settings": self.properties.values}
            self._state.write_text(json.dumps(state), encoding="utf-8")
            preflight.check_temp(temp, archive)
            self._launch(java, temp, foreground)
            with self.management(max_retries=0) as management, self.client() as client:
                readiness = Readiness(MODEL, management, self._processes, self._read_log)
                return readiness.wait(client, EXAMPLE)
        except BaseException:
            self.stop()
            shutil.rmtree(temp, ignore_errors=True)  # in case its name could not be saved
            raise

    def stop(self) -> bool:
        """End Java and its workers and remove what they wrote; False if nothing was running.

        Raises Failure where the processes belong to another user.
        """
        temp = self._temp()
        was_running = processes.end(temp)
        if self._child is not None:
            self._child.poll()  # it has been waited for: tells so to `subprocess`
        if temp is not None:
            shutil.rmtree(temp, ignore_errors=True)
        self._state.unlink(missing_ok=True)
        self.draining.unlink(missing_ok=True)
        if self.key_file.exists():  # its folder may be read-only where no tokens are required
            self.key_file.unlink(missing_ok=True)
        return was_running

    def wait(self) -> int:
        """Wait until Java ends, and return its exit code, or the negative number of a signal."""
        if self._child is None:
            raise RuntimeError("Only the object that has started a server can wait for it.")
        return self._child.wait()

    def has_clients(self) -> bool:
        """Whether a client is connected to the inference API, over REST or gRPC."""
        ports = self.properties.ports()
        inference = {ports[name][1] for name in ("inference_address", "grpc_inference_port")}
        java = self.java()
        try:
            connections = java.connections("tcp") if java else []
        except psutil.Error:  # it has exited, or belongs to another user, as `stop` will say
            return False
        return any(
            connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port in inference
            for connection in connections
        )

    def next_worker(self, model: str, version: str, *, timeout: float) -> int:
        """The pid of the worker that answers the next request of a version of a model.

        Raises requests.RequestException, also if none answers for `timeout` seconds.
        """
        headers = {}
        if self.properties.needs_token:
            headers["Authorization"] = f"Bearer {self.token('inference')}"
        url = f"{self.properties.inference}/predictions/{model}/{version}/health"
        answer = requests.get(url, headers=headers, timeout=timeout)
        answer.raise_for_status()
        return int(answer.json()["worker"])

    def token(self, kind: str) -> str:
        """TorchServe's present token: "inference", "management", or the "API" one of renewals."""
        return str(json.loads(self.key_file.read_text(encoding="utf-8"))[kind]["key"])

    def java(self) -> psutil.Process | None:
        """TorchServe's Java process, if it is running."""
        return self._processes().java

    def started(self) -> float:
        """Start time in seconds since the epoch; 0 if the server is not running."""
        java = self.java()
        return java.create_time() if java else 0.0

    def client(self, **options: object) -> SentimentClient:
        """A client of its inference API; `options` are SentimentClient's."""
        token_file = self.key_file if self.properties.needs_token else None
        return SentimentClient(self.properties.inference, token_file=token_file, **options)  # type: ignore[arg-type]

    def management(self, **options: object) -> ManagementClient:
        """A client of its management API; `options` are ManagementClient's."""
        token_file = self.key_file if self.properties.needs_token else None
        return ManagementClient(self.properties.management, token_file=token_file, **options)  # type: ignore[arg-type]

    def last_lines(self, count: int = 20) -> str:
        """The end of the log."""
        return "\n".join(self._read_log().splitlines()[-count:])

    def _read_log(self) -> str:
        try:
            return self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _launch(self, java: Path, temp: Path, foreground: bool) -> None:
        """Start Java as `torchserve` does, whose wrapper would hide the exit code and the pid."""
        home = Path(sysconfig.get_path("purelib")).resolve()
        command: list[Path | str] = [
            java / "bin" / "java",
            f"-Dmodel_server_home={home}",
            f"-Djava.io.tmpdir={temp}",
            *self.properties.values.get("vmargs", "").split(),
            # As a URI: a path with "#" or "%" would be ignored, and TorchServe's default logging
            # writes parts of texts.
            f"-Dlog4j2.configurationFile={self.log_config.resolve().as_uri()}",
            *("-cp", f".:{home / 'ts' / 'frontend' / '*'}", "org.pytorch.serve.ModelServer"),
            *("--python", sys.executable),
            *("-f", self.properties.path.resolve()),
            *("-s", self.model_store.resolve()),
            "-ncs",
        ]
        self.log.unlink(missing_ok=True)
        with contextlib.nullcontext() if foreground else self.log.open("wb") as log:
            self._child = subprocess.Popen(
                command,
                cwd=self.home,
                env=self._environment(temp),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C must reach the launcher alone
            )

    def _environment(self, temp: Path) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_INHERITED)}
        return inherited | {
            # Under LC_ALL=C Java finds no file with a non-ASCII path.
            "LC_ALL": "C.UTF-8",
            "TMPDIR": str(temp),
            "TEMP": str(temp),
            "LOG_LOCATION": str(self.run),
            "METRICS_LOCATION": str(self.run),
            "SENTIMENT_DRAINING": str(self.draining),
        }

    def _processes(self) -> Processes:
        processes = Processes(self._temp())
        # On a busy machine, a process has no command line for a moment after its start.
        if processes.java is None and self._child is not None and self._child.poll() is None:
            processes.java = psutil.Process(self._child.pid)
        return processes

    def with_its_settings(self) -> "Server":
        """The same server with the settings that it was started with, if it is running."""
        values = self._saved("settings")
        if values is None:
            return self
        properties = Properties(self.properties.path, values)
        return Server(properties, self.model_store, self.log_config, self.home, self.run)

    def _temp(self) -> str | None:
        """The temporary folder of the running server, or of one that was killed."""
        temp = self._saved("temp")
        return None if temp is None else str(temp)

    def _saved(self, name: str) -> Any:
        """What `start` has saved by this name; None if nothing was, or it cannot be read."""
        try:
            return json.loads(self._state.read_text(encoding="utf-8"))[name]
        except (OSError, ValueError, KeyError, TypeError):
            return None


def isolated_server(model_store: Path, folder: Path, **changes: str) -> Server:
    """A server with the default configuration and some `changes`; it is not started.

    It has free ports of 127.0.0.1 and writes only to `folder`, so several can run at once.
    """
    inference, management, metrics, grpc, grpc_management = free_ports(5)
    settings = {
        "inference_address": f"http://127.0.0.1:{inference}",
        "management_address": f"http://127.0.0.1:{management}",
        "metrics_address": f"http://127.0.0.1:{metrics}",
        "grpc_inference_address": "127.0.0.1",
        "grpc_management_address": "127.0.0.1",
        "grpc_inference_port": str(grpc),
        "grpc_management_port": str(grpc_management),
        "metrics_config": str(ROOT / "metrics.yaml"),
    }
    properties = Properties.read(ROOT / "config.properties")
    return Server(
        properties.write(folder / "config.properties", **(settings | changes)),
        model_store=model_store,
        log_config=ROOT / "log4j2.xml",
        home=folder,
        run=folder,
    )
