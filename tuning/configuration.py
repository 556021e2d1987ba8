"""The two files that the settings stand in: read, and edited with all else left as it is."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.failure import Failure
from tuning.settings import Candidate

# What `models` of config.properties calls them. A worker more or less is the operator's to start.
PROPERTIES = {
    "minWorkers": "workers",
    "maxWorkers": "workers",
    "batchSize": "batch_size",
    "maxBatchDelay": "max_batch_delay",
}
# And `handler` of model-config.yaml, with what else than a number may stand there.
HANDLER = {"threads": "", "tokens_per_microbatch": "|auto"}
# The setting with the lines that it goes on in.
MODELS = re.compile(r"^models[ \t]*=(?:[^\n]*\\\r?\n)*[^\n]*", re.MULTILINE)
IN_JSON = r'("{}"\s*:\s*)(\d+)'
IN_YAML = r"(?m)^([ \t]+{}[ \t]*:[ \t]*)(\d+{})\b"


@dataclass(frozen=True)
class Configuration:
    """`properties` is TorchServe's file, `handler` the one that goes into the archive."""

    properties: Path
    handler: Path

    def read(self) -> Candidate:
        """The settings as they are; raises Failure where they could not be written either."""
        models = _models(_text(self.properties), self.properties)[0]
        values: dict[str, Any] = {
            name: int(_value(models, IN_JSON.format(key), key, self.properties))
            for key, name in _once()
        }
        handler = _text(self.handler)
        for name, other in HANDLER.items():
            value = _value(handler, IN_YAML.format(name, other), name, self.handler)
            values[name] = int(value) if value.isdecimal() else value
        return Candidate(**values)

    def write(self, candidate: Candidate) -> list[Path]:
        """Change what differs, and return the files that did; raises Failure."""
        changed = {
            path: text
            for path, text in (
                (self.properties, self._properties(candidate)),
                (self.handler, self.handler_text(candidate)),
            )
            if text != _text(path)
        }
        for path, text in changed.items():
            path.write_bytes(text.encode())
        return list(changed)

    def _properties(self, candidate: Candidate) -> str:
        text = _text(self.properties)
        models = _models(text, self.properties)
        edited = models[0]
        for key, name in PROPERTIES.items():
            value = getattr(candidate, name)
            edited = _edited(edited, IN_JSON.format(key), key, value, self.properties)
        return text[: models.start()] + edited + text[models.end() :]

    def handler_text(self, candidate: Candidate) -> str:
        """The handler's file with the candidate's settings."""
        text = _text(self.handler)
        for name, other in HANDLER.items():
            value = getattr(candidate, name)
            text = _edited(text, IN_YAML.format(name, other), name, value, self.handler)
        return text


def _once() -> list[tuple[str, str]]:
    """Of the two numbers of workers TorchServe starts the lower one."""
    return [(key, name) for key, name in PROPERTIES.items() if key != "maxWorkers"]


def _text(path: Path) -> str:
    """The file with its line ends as they are."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{path} cannot be read: {error}.") from None


def _models(text: str, path: Path) -> re.Match[str]:
    models = MODELS.search(text)
    if models is None:
        raise Failure(f"{path} has no setting 'models': take it from the file that shipped.")
    return models


def _value(text: str, form: str, key: str, path: Path) -> str:
    found = re.findall(form, text)
    if len(found) != 1:
        raise Failure(
            f"{path} must say {key} once, as a number, and says it {len(found)} times: tuning "
            "is for one model."
        )
    return str(found[0][1])


def _edited(text: str, form: str, key: str, value: int | str, path: Path) -> str:
    _value(text, form, key, path)
    return re.sub(form, rf"\g<1>{value}", text)
