"""Start one TorchServe, wait until it really answers, and end it with all its processes.

Both `make serve` and the tests use this, so what is tested is what is served.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from scripts.failure import Failure
from scripts.launcher.java import java_home
from scripts.launcher.ports import free_ports
from scripts.launcher.properties import Properties
from scripts.paths import ROOT
from sentiment_client import (
    ConnectionFailed,
    ManagementClient,
    NotFound,
    Prediction,
    SentimentClient,
    SentimentError,
    Unauthorized,
)

MODEL = "sentiment"
EXAMPLE = "A gripping, beautifully shot film."
# Java leaves in two to three seconds; after this it is killed.
STOP_SECONDS = 15.0
# A worker imports PyTorch and loads the model; a cold disk takes its time.
START_SECONDS = 180.0
# Room for the extracted archive, and some to work in.
FREE_BYTES = 200_000_000


class Server:
    """One TorchServe instance, known by its folder `run`, which holds its log and its state.

    Paths in `properties` are relative to `home`, where TorchServe also writes key_file.json, the
    tokens; so two instances need two homes. Worker sockets and extracted archives go to a private
    temporary folder: they are named by number alone, and a long path is too long for a socket.
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
        self._state = run / "server.json"

    def start(self) -> Prediction:
        """Start and wait; returns the answer to `EXAMPLE`, or raises Failure and leaves nothing."""
        java = java_home()
        archive = self.model_store / f"{MODEL}.mar"
        if not archive.exists():
            raise Failure(f"{archive} is missing: build it with 'make archive'.")
        for setting, address in self.properties.ports().items():
            self._check_free(setting, address)
        self.run.mkdir(parents=True, exist_ok=True)
        self.stop()  # clears away what a server that was killed has left
        temp = Path(tempfile.mkdtemp(prefix="sentiment-"))
        self._state.write_text(json.dumps({"temp": str(temp)}), encoding="utf-8")
        try:
            free, needed = shutil.disk_usage(temp).free, FREE_BYTES + 3 * archive.stat().st_size
            if free < needed:
                raise Failure(
                    f"Only {free / 1e6:.0f} MB are free at {temp.parent}, and the server needs "
                    f"{needed / 1e6:.0f} MB: make room, or set TMPDIR to another disk."
                )
            self._launch(java, temp)
            return self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> bool:
        """End Java and its workers and remove what they wrote; False if nothing was running."""
        processes = self._processes()
        if (java := self.java()) is not None:
            java.terminate()  # it ends its workers; TorchServe drains nothing
            psutil.wait_procs(processes, timeout=STOP_SECONDS)
        left = self._processes()
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=STOP_SECONDS)
        if (temp := self._temp()) is not None:
            shutil.rmtree(temp, ignore_errors=True)
        self._state.unlink(missing_ok=True)
        self.key_file.unlink(missing_ok=True)
        return bool(processes)

    def java(self) -> psutil.Process | None:
        """TorchServe's Java process, if it is running."""
        return next((p for p, is_java in self._family() if is_java), None)

    def started(self) -> float:
        """When it was started, in seconds since the epoch; 0 if it is not running."""
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
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-count:])

    def _check_free(self, setting: str, address: tuple[str, int]) -> None:
        host, port = address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                raise Failure(
                    f"Port {port} of {host} cannot be had ({error.strerror}): stop what uses it, "
                    f"or change {setting} in {self.properties.path.name}."
                ) from None

    def _launch(self, java: Path, temp: Path) -> None:
        # A user's own TS_ variables would win over the configuration.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TS_")}
        environment |= {
            "JAVA_HOME": str(java),
            "TMPDIR": str(temp),
            "TEMP": str(temp),
            "LOG_LOCATION": str(self.run),
            "METRICS_LOCATION": str(self.run),
        }
        command: list[Path | str] = [
            Path(sys.executable).with_name("torchserve"),
            *("--start", "--ncs"),
            *("--ts-config", self.properties.path.resolve()),
            *("--model-store", self.model_store.resolve()),
            *("--log-config", self.log_config.resolve()),
        ]
        with self.log.open("wb") as log:
            subprocess.run(
                command,
                cwd=self.home,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                check=False,
            )

    def _wait(self) -> Prediction:
        """Poll the management API until a worker is ready, then ask it something."""
        deadline = time.monotonic() + START_SECONDS
        pids: set[int] = set()
        with self.management(max_retries=0) as management, self.client() as client:
            while time.monotonic() < deadline:
                if self.java() is None:
                    raise Failure("TorchServe stopped while it was starting.", self.last_lines())
                try:
                    model = management.describe(MODEL)
                    if model.ready_workers:
                        return client.predict(EXAMPLE)
                    pids |= {worker.pid for worker in model.workers if worker.pid > 0}
                    if len(pids) > len(model.workers):
                        raise Failure(
                            "The worker died while it was loading the model.", self.last_lines()
                        )
                except (ConnectionFailed, NotFound, Unauthorized):
                    pass  # not listening yet, no model yet, no key file yet
                except SentimentError as error:
                    raise Failure(
                        f"The server is up, but its first answer was wrong: {error}",
                        self.last_lines(),
                    ) from None
                time.sleep(0.2)
        raise Failure(f"No worker was ready after {START_SECONDS:.0f} seconds.", self.last_lines())

    def _processes(self) -> list[psutil.Process]:
        return [process for process, _ in self._family()]

    def _family(self) -> Iterator[tuple[psutil.Process, bool]]:
        """Every process of this server, known by its temporary folder, and whether it is Java.

        Workers that outlive a Java that was killed are among them.
        """
        if (temp := self._temp()) is None:
            return
        for process in psutil.process_iter():
            try:
                arguments = process.cmdline()
            except psutil.Error:
                continue
            if f"-Djava.io.tmpdir={temp}" in arguments:
                yield process, True
            elif any(argument.startswith(f"{temp}/.ts.sock") for argument in arguments):
                yield process, False

    def _temp(self) -> str | None:
        """The temporary folder of the server that was started last and not stopped."""
        try:
            return str(json.loads(self._state.read_text(encoding="utf-8"))["temp"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def server_apart(model_store: Path, folder: Path, **changes: str) -> Server:
    """The configuration that ships with some `changes`, beside other servers; not started.

    On free ports of 127.0.0.1, and all that it writes is in `folder`.
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
