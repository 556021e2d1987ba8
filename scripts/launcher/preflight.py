"""Checks before TorchServe is started; each failure says what to change."""

import json
import os
import shutil
import socket
import zipfile
import zlib
from pathlib import Path
from xml.etree import ElementTree

import yaml

from scripts.failure import Failure
from scripts.launcher.properties import Properties

# Linux's limit for the path of a Unix socket, in bytes, without the NUL at its end.
SOCKET_PATH_BYTES = 107
# Free disk space needed, on top of the extracted archive.
FREE_BYTES = 200_000_000
_NUMBERS = {"job_queue_size", "max_request_size", "max_response_size"}


def check_archive(archive: Path, model: str) -> None:
    """Raises Failure if the archive is missing, damaged, or of a model with another name."""
    if not archive.exists():
        raise Failure(f"{archive} is missing: build it with 'make archive'.")
    try:
        with zipfile.ZipFile(archive) as content:
            name = json.loads(content.read("MAR-INF/MANIFEST.json"))["model"]["modelName"]
    except PermissionError:
        raise Failure(f"{archive} cannot be read by this user: change its permissions.") from None
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, LookupError, TypeError, ValueError):
        raise Failure(f"{archive} is damaged: build it again with 'make archive'.") from None
    if name != model:
        raise Failure(
            f"{archive} holds a model named {name!r}, not {model!r}: build it again with "
            "'make archive'."
        )


def check_settings(properties: Properties, log_config: Path, home: Path) -> None:
    """Raises Failure for a setting or a file of settings that the server could not use.

    TorchServe would not name it; and without `log_config` it would start, and log parts of texts.
    """
    _ = properties.drain_seconds, properties.models
    for setting in _NUMBERS & properties.values.keys():
        if not properties.values[setting].isdecimal():
            raise Failure(
                f"{setting} in {properties.path} must be a number, not "
                f"{properties.values[setting]!r}."
            )
    if properties.needs_token and not os.access(home, os.W_OK):
        raise Failure(
            f"TorchServe writes its tokens to {home}, and this user cannot: change the permissions "
            "of that folder."
        )
    metrics = home / properties.values.get("metrics_config", "metrics.yaml")
    try:
        path = metrics
        yaml.safe_load(metrics.read_bytes())
        path = log_config
        ElementTree.fromstring(log_config.read_bytes())  # noqa: S314 (a file of the operator)
    except (OSError, yaml.YAMLError, ElementTree.ParseError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise Failure(
            f"{path} cannot be used ({reason}): correct it, or restore it with "
            f"'git checkout {path}'."
        ) from None


def check_ports(properties: Properties) -> None:
    """Raises Failure if a port of the configuration is not available."""
    for setting, (host, port) in properties.ports().items():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            raise Failure(
                f"Port {port} of {host} is not available ({error.strerror}): stop what uses it, "
                f"or change {setting} in {properties.path.name}."
            ) from None


def check_temp(temp: Path, archive: Path) -> None:
    """Raises Failure if the disk of `temp` is too full, or its path too long for a socket."""
    socket_path = os.fsencode(temp / ".ts.sock.65535")
    if len(socket_path) > SOCKET_PATH_BYTES:
        raise Failure(
            f"The path of {temp.parent} is {len(socket_path) - SOCKET_PATH_BYTES} bytes too long "
            "for the sockets of the workers: set TMPDIR to a folder with a shorter path."
        )
    free, needed = shutil.disk_usage(temp).free, FREE_BYTES + 3 * archive.stat().st_size
    if free < needed:
        raise Failure(
            f"Only {free / 1e6:.0f} MB are free at {temp.parent}, and the server needs "
            f"{needed / 1e6:.0f} MB: make room, or set TMPDIR to another disk."
        )
