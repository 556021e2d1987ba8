"""Run commands where only loopback can be reached, and list every attempt to reach the network.

    unshare --net --mount --pid --fork --kill-child --mount-proc \
        python -m tests.integration.namespace WORK < COMMANDS

COMMANDS is a JSON list of [working directory, program, arguments...]. Every address is routed to
loopback, so that packets for other machines can be recorded; a listener takes the place of every
proxy; and files outside of WORK are written to overlays, where they are listed. Prints `Report` as
JSON.
"""

import contextlib
import dataclasses
import ipaddress
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

NEEDS_NAMESPACES = "needs namespaces: apt-get install iproute2, then make test as root"
ENTER = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")
# The only inherited environment variables: others, such as CI=true, make some libraries silent.
KEPT = ("PATH", "LANG", "JAVA_HOME", "PYTHONDONTWRITEBYTECODE")
# Folders of the root that are not on the disk.
NOT_ON_DISK = {"proc", "sys", "dev", "run"}
DNS = 53
EVERY_PROTOCOL = 0x0003


@dataclasses.dataclass
class Report:
    """The result of the commands, and their attempts to reach the network.

    `packets` were sent to other machines or to a name server, `proxied` requests to a proxy.
    `files` were written outside of WORK, or to the home directory, which is in it.
    """

    status: int = 0
    output: str = ""
    packets: list[str] = dataclasses.field(default_factory=list)
    proxied: list[str] = dataclasses.field(default_factory=list)
    files: list[str] = dataclasses.field(default_factory=list)


def run(work: Path, commands: Sequence[Sequence[str]], root: Path) -> Report:
    """Run the commands in new namespaces, with an empty home directory, until one fails."""
    done = subprocess.run(
        [*ENTER, sys.executable, "-m", "tests.integration.namespace", str(work)],
        input=json.dumps(commands),
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return Report(done.returncode, done.stdout + done.stderr)
    return Report(**json.loads(done.stdout))


def permitted() -> bool:
    """Whether this user may create namespaces, and has the programs to set them up."""
    if not shutil.which("unshare") or not shutil.which("ip"):
        return False
    return subprocess.run([*ENTER, "true"], capture_output=True, check=False).returncode == 0


def main() -> None:
    """Run the commands from stdin; the argument is WORK."""
    work, report = Path(sys.argv[1]), Report()
    home, temp = work / "home", work / "tmp"
    home.mkdir(exist_ok=True)
    temp.mkdir(exist_ok=True)
    route_everything_to_loopback()
    written = overlay_all_except(work)
    watch_packets(report.packets)
    proxy = watch_proxy(report.proxied)
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= {"HOME": str(home), "TMPDIR": str(temp)}
    environment |= dict.fromkeys((*PROXIES, *map(str.upper, PROXIES)), proxy)
    # A file, since a pipe would stay open until a server that a command has started ends.
    with tempfile.TemporaryFile("w+", dir=temp) as output:
        for folder, *command in json.load(sys.stdin):
            report.status = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
            if report.status:
                break
        output.seek(0)
        report.output = output.read()
    for layer in (written, home):
        report.files += [
            str(path if layer == home else "/" / path.relative_to(layer))
            for path in layer.rglob("*")
            if path.is_file()
        ]
    print(json.dumps(dataclasses.asdict(report)))


def route_everything_to_loopback() -> None:
    """Make every address a local one of this namespace."""
    for command in ("link set lo up", "route add local default dev lo"):
        subprocess.run(["ip", *command.split()], check=True)
    # Fails if the kernel has no IPv6; then there are no packets to watch.
    ipv6 = "ip -6 route add local default dev lo"
    subprocess.run(ipv6.split(), stderr=subprocess.DEVNULL, check=False)


def overlay_all_except(work: Path) -> Path:
    """Redirect writes outside of `work` to a file system in memory; returns its directory.

    Writes to the top-level folder that contains `work`, usually /tmp, are not redirected.
    """
    memory = Path("/run")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(memory)], check=True)
    for folder in Path("/").iterdir():
        if folder.is_dir() and not folder.is_symlink() and folder.name not in NOT_ON_DISK:
            if folder in work.parents:
                continue
            upper, scratch = memory / "written" / folder.name, memory / "scratch" / folder.name
            upper.mkdir(parents=True)
            scratch.mkdir(parents=True)
            options = f"lowerdir={folder},upperdir={upper},workdir={scratch}"
            mount = ["mount", "-t", "overlay", "overlay", "-o", options, str(folder)]
            subprocess.run(mount, check=True)
    return memory / "written"


def watch_packets(packets: list[str]) -> None:
    """From now on, record packets for other machines or for a name server."""
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(EVERY_PROTOCOL))
    sniffer.bind(("lo", 0))

    def watch() -> None:
        while True:
            entry = _destination(sniffer.recv(65_536))
            if entry and entry not in packets:
                packets.append(entry)

    threading.Thread(target=watch, daemon=True).start()


def _destination(packet: bytes) -> str:
    """Address and port of a packet; empty for one that stays on this machine."""
    if packet[0] >> 4 == 4:
        target = ipaddress.ip_address(packet[16:20])
        protocol, start = packet[9], (packet[0] & 15) * 4
    else:
        target, protocol, start = ipaddress.ip_address(packet[24:40]), packet[6], 40
    if protocol not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        return "" if target.is_loopback else f"{target}"
    (port,) = struct.unpack("!H", packet[start + 2 : start + 4])
    return f"{target} port {port}" if not target.is_loopback or port == DNS else ""


def watch_proxy(requests: list[str]) -> str:
    """Start a proxy that records the first line of each request; returns its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def watch() -> None:
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                requests.append(connection.recv(1024).decode("latin-1").partition("\r\n")[0])

    threading.Thread(target=watch, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


if __name__ == "__main__":
    main()
