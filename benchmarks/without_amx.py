"""Run a command as on a CPU without AMX.

python -m benchmarks.without_amx COMMAND [ARGUMENT ...]

A program has to ask Linux for permission before it may use AMX. Here it is refused, and libraries
then use their next best instructions, AVX-512 with VNNI and bf16 where the CPU has them. The flags
in /proc/cpuinfo, by which our engines are chosen, are hidden as well. Both hold for all processes
that the command starts. Needs Linux on x86-64, util-linux, and root or user namespaces.
"""

import argparse
import ctypes
import os
import re
import shutil
import struct
import sys
import tempfile
from pathlib import Path

from scripts.failure import Failure, reports_failures

# linux/prctl.h, linux/seccomp.h, linux/filter.h, linux/audit.h and asm/prctl.h
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
SECCOMP_MODE_FILTER = 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | 1  # EPERM
X86_64, ARCH_PRCTL, ARCH_REQ_XCOMP_PERM = 0xC000003E, 158, 0x1023
# Where `struct seccomp_data` has the system call's number, architecture, and first argument.
NUMBER, ARCHITECTURE, ARGUMENT = 0, 4, 16
# Code, jump if equal, jump otherwise, operand. Jumps count from the next instruction on.
PROGRAM = (
    (LOAD, 0, 0, ARCHITECTURE),
    (JUMP_IF_EQUAL, 0, 4, X86_64),
    (LOAD, 0, 0, NUMBER),
    (JUMP_IF_EQUAL, 0, 2, ARCH_PRCTL),
    (LOAD, 0, 0, ARGUMENT),
    (JUMP_IF_EQUAL, 1, 0, ARCH_REQ_XCOMP_PERM),
    (RETURN, 0, 0, ALLOW),
    (RETURN, 0, 0, REFUSE),
)
# Mounts a file over /proc/cpuinfo, deletes it by its old name, and becomes the command.
MOUNT = 'mount --bind "$0" /proc/cpuinfo && rm "$0" && exec "$@"'


class Filter(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_void_p))


@reports_failures()
def main() -> None:
    """Refuse AMX, hide it, and become the command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.without_amx", description="Run a command without AMX."
    )
    parser.add_argument("command", nargs=argparse.REMAINDER)
    command = parser.parse_args().command
    command = command[1:] if command[:1] == ["--"] else command
    if not command:
        parser.error("name a command, such as 'make bench'")
    for program in ("unshare", "mount", command[0]):
        if shutil.which(program) is None:
            raise Failure(f"{program} is not installed.")
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    handle, copy = tempfile.mkstemp()
    os.write(handle, re.sub(r" amx_\w+", "", cpuinfo).encode())
    refuse_amx()
    own = () if os.geteuid() == 0 else ("--map-root-user",)
    os.execvp("unshare", ["unshare", "--mount", *own, "sh", "-c", MOUNT, copy, *command])


def refuse_amx() -> None:
    """Refuse this process and all that it starts the permission to use AMX; raises Failure."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in PROGRAM))
    program = Filter(len(PROGRAM), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        raise Failure(f"Linux does not take the filter: {os.strerror(ctypes.get_errno())}.")


if __name__ == "__main__":
    sys.exit(main())
