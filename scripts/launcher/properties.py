"""Read and write TorchServe's `config.properties`."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scripts.failure import Failure
from scripts.launcher.addresses import reachable


@dataclass(frozen=True)
class Properties:
    """The settings of one file."""

    path: Path
    values: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> "Properties":
        """Read a Java properties file, with its comments and lines continued by a backslash.

        Raises Failure if it cannot be read.
        """
        try:
            text = re.sub(r"\\\n\s*", "", path.read_text(encoding="latin-1"))
        except OSError as error:
            raise Failure(
                f"{path} cannot be read ({error.strerror}): restore it with 'git checkout {path}', "
                "or change its permissions."
            ) from None
        values = {}
        for line in text.splitlines():
            name, equals, value = line.partition("=")
            if equals and not line.lstrip().startswith(("#", "!")):
                values[name.strip()] = value.strip()
        return cls(path, values)

    def write(self, path: Path, **changes: str) -> "Properties":
        """Write these settings to `path` with some `changes`, and return them."""
        values = self.values | changes
        text = "".join(f"{k}={v}\n" for k, v in values.items())
        # Java reads Latin-1; other characters are escaped as UTF-16 code units.
        text = re.sub(r"[^\x00-\x7f]", _escape, text)
        # The time of an unchanged file tells that a running server has these settings.
        if not path.exists() or path.read_text(encoding="latin-1") != text:
            path.write_text(text, encoding="ascii")
        return Properties(path, values)

    @property
    def inference(self) -> str:
        """The address at which this machine connects to the inference API."""
        return reachable(self.values.get("inference_address", "http://127.0.0.1:8080"))

    @property
    def management(self) -> str:
        """The address at which this machine connects to the management API."""
        return reachable(self.values.get("management_address", "http://127.0.0.1:8081"))

    @property
    def metrics(self) -> str:
        """The address at which this machine connects to the metrics API."""
        return reachable(self.values.get("metrics_address", "http://127.0.0.1:8082"))

    @property
    def needs_token(self) -> bool:
        """Whether TorchServe requires tokens, as it does by default."""
        return self.values.get("disable_token_authorization", "false") != "true"

    @property
    def drain_seconds(self) -> float:
        """Seconds that `ready` is 503 before the server stops; raises Failure."""
        value = self.values.get("drain_seconds", "5")
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
            raise Failure(f"drain_seconds in {self.path} must be a number, not {value!r}.")
        return float(value)

    @property
    def models(self) -> dict[str, Any]:
        """Model name -> version -> settings, from the setting `models`; raises Failure."""
        try:
            return dict(json.loads(self.values.get("models", "{}")))
        except (ValueError, TypeError) as error:
            raise Failure(f"models in {self.path} is not a JSON object ({error}).") from None

    def ports(self) -> dict[str, tuple[str, int]]:
        """Setting -> (host, port), for every port that the server listens on."""
        ports = {}
        for name, default in (("inference", 8080), ("management", 8081), ("metrics", 8082)):
            setting = f"{name}_address"
            parts = urlsplit(self.values.get(setting, f"http://127.0.0.1:{default}"))
            try:
                port = parts.port
            except ValueError:
                port = None
            if not parts.hostname or not port:
                raise Failure(
                    f"{setting} in {self.path} must be like http://127.0.0.1:{default}, "
                    f"not {self.values[setting]!r}."
                )
            ports[setting] = (parts.hostname, port)
        for name, default in (("inference", 7070), ("management", 7071)):
            host = self.values.get(f"grpc_{name}_address", "127.0.0.1")
            number = self.values.get(f"grpc_{name}_port", str(default))
            if not number.isdigit():
                raise Failure(f"grpc_{name}_port in {self.path} must be a number, not {number!r}.")
            ports[f"grpc_{name}_port"] = (host, int(number))
        return ports


def _escape(character: re.Match[str]) -> str:
    units = character[0].encode("utf-16-be")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
