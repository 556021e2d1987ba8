"""Read the settings from their two files, and change single values in place."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.failure import Failure
from tuning.settings import Candidate

# Names in `models` of config.properties -> settings. TorchServe starts minWorkers; an operator may
# scale up to maxWorkers.
PROPERTIES = {
    "minWorkers": "workers",
    "maxWorkers": "workers",
    "batchSize": "batch_size",
    "maxBatchDelay": "max_batch_delay",
}
# Names in `handler` of model-config.yaml -> pattern of values other than numbers.
HANDLER = {"threads": "", "tokens_per_microbatch": "|auto"}
# The setting `models` with its continuation lines.
MODELS = re.compile(r"^models[ \t]*=(?:[^\n]*\\\r?\n)*[^\n]*", re.MULTILINE)
IN_JSON = r'("{}"\s*:\s*)(\d+)'
IN_YAML = r"(?m)^([ \t]+{}[ \t]*:[ \t]*)(\d+{})\b"


@dataclass(frozen=True)
class Configuration:
    """`properties` is TorchServe's file, `handler` the one that is packaged into the archive."""

    properties: Path
    handler: Path

    def read(self) -> Candidate:
        """Return the current settings; raises Failure if `write` could not change them."""
        models = _models(_text(self.properties), self.properties)[0]
        values: dict[str, Any] = {
            name: int(_value(models, IN_JSON.format(key), key, self.properties))
            for key, name in PROPERTIES.items()
            if key != "maxWorkers"  # may differ from minWorkers, the number that is started
        }
        handler = _text(self.handler)
        for name, other in HANDLER.items():
            value = _value(handler, IN_YAML.format(name, other), name, self.handler)
            values[name] = int(value) if value.isdecimal() else value
        return Candidate(**values)

    def write(self, candidate: Candidate) -> list[Path]:
        """Write the files that change, and return them; raises Failure."""
        changed = {
            path: text
            for path, text in (
                (self.properties, self._properties_text(candidate)),
                (self.handler, self.handler_text(candidate)),
            )
            if text != _text(path)
        }
        for path, text in changed.items():
            path.write_bytes(text.encode())
        return list(changed)

    def _properties_text(self, candidate: Candidate) -> str:
        text = _text(self.properties)
        models = _models(text, self.properties)
        edited = models[0]
        for key, name in PROPERTIES.items():
            value = getattr(candidate, name)
            edited = _replaced(edited, IN_JSON.format(key), key, value, self.properties)
        return text[: models.start()] + edited + text[models.end() :]

    def handler_text(self, candidate: Candidate) -> str:
        """Return model-config.yaml with the candidate's settings; raises Failure."""
        text = _text(self.handler)
        for name, other in HANDLER.items():
            value = getattr(candidate, name)
            text = _replaced(text, IN_YAML.format(name, other), name, value, self.handler)
        return text


def _text(path: Path) -> str:
    """Read a file without changing its line ends."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{path} cannot be read: {error}.") from None


def _models(text: str, path: Path) -> re.Match[str]:
    models = MODELS.search(text)
    if models is None:
        raise Failure(f"{path} has no setting 'models': copy it from the original file.")
    return models


def _value(text: str, pattern: str, key: str, path: Path) -> str:
    matches = re.findall(pattern, text)
    if len(matches) != 1:
        raise Failure(
            f"{path} must set {key} to a number exactly once, but sets it {len(matches)} times: "
            "only one model can be tuned."
        )
    return str(matches[0][1])


def _replaced(text: str, pattern: str, key: str, value: int | str, path: Path) -> str:
    _value(text, pattern, key, path)
    return re.sub(pattern, rf"\g<1>{value}", text)
