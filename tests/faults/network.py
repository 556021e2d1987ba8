"""Network namespaces, joined by a bridge, that end with the process that made them."""

import contextlib
import ctypes
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil

from scripts.launcher.processes import each_process
from scripts.launcher.properties import Properties

_CLONE_NEWNET = 0x40000000


class Network:
    """A network namespace with only loopback, until `join` connects it to another one.

    It lives as long as a process that waits for its stdin, which ends with this process.
    """

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout
        assert self._holder.stdout.readline() == b"up\n"

    def close(self) -> None:
        """Give the namespace up; it ends with its last process."""
        self._holder.communicate()

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread is in it, with the threads and processes that it starts."""
        with Path("/proc/thread-self/ns/net").open() as home, self._path.open() as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def bridge(self, address: str) -> None:
        """Make a bridge, to which others can `join`, and give this namespace an address on it."""
        with self.entered():
            _ip("link add hosts type bridge")
            _ip(f"address add {address}/24 dev hosts")
            _ip("link set hosts up")

    def join(self, bridge: "Network", address: str) -> None:
        """Connect it to the bridge of another namespace, with an address."""
        name = f"host{self._holder.pid}"
        with self.entered():
            _ip(f"link add eth0 type veth peer name {name} netns {bridge._holder.pid}")
            _ip(f"address add {address}/24 dev eth0")
            _ip("link set eth0 up")
        with bridge.entered():
            _ip(f"link set {name} master hosts up")

    def plug(self, *, connected: bool) -> None:
        """Pull the cable, or put it back."""
        with self.entered():
            _ip(f"link set eth0 {'up' if connected else 'down'}")

    def set_sysctls(self, path: Path) -> None:
        """Apply a file of sysctl.d, of which each line is a comment or "name = value"."""
        with self.entered():
            for name, value in Properties.read(path).values.items():
                Path("/proc/sys", *name.split(".")).write_text(value)

    def processes(self) -> list[psutil.Process]:
        """What runs in it, but for the process that keeps it."""
        mine = self._path.readlink()
        return [
            process
            for process, network in each_process(_network_of)
            if network == mine and process.pid != self._holder.pid
        ]

    @property
    def _path(self) -> Path:
        return Path(f"/proc/{self._holder.pid}/ns/net")


def _network_of(process: psutil.Process) -> Path | None:
    """The name of a process's namespace; None for another user's."""
    try:
        return Path(f"/proc/{process.pid}/ns/net").readlink()
    except PermissionError:
        return None


def _ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True)


def _enter(network: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns is new in Python 3.12
    if libc.setns(network, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns failed")
