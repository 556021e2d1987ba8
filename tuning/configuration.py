"""The two files that the settings stand in: read, and edited with all else left as it is."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.failure import Failure
from tuning.settings import Candidate

# What `models` of config.properties calls them. A worker more or less is the operator's to start.
PROPERTIES = {
    "minWorkers": "workers",
    "maxWorkers": "workers",
    "batchSize": "batch_size",
    "maxBatchDelay": "max_batch_delay",
}
# And `handler` of model-config.yaml.
HANDLER = {"threads": "threads", "tokens_per_microbatch": "tokens_per_microbatch"}
# The setting with the lines that it goes on in.
MODELS = re.compile(r"^models[ \t]*=(?:[^\n]*\\\r?\n)*[^\n]*", re.MULTILINE)
IN_JSON, IN_YAML = r'("{}"\s*:\s*)(\d+)', r"(?m)^([ \t]+{}[ \t]*:[ \t]*)(\d+)"


@dataclass(frozen=True)
class Configuration:
    """`properties` is TorchServe's file, `handler` the one that goes into the archive."""

    properties: Path
    handler: Path

    def read(self) -> Candidate:
        """The settings as they are; raises Failure where they could not be written either."""
        models = _models(_text(self.properties), self.properties)[0]
        values = {name: _number(models, IN_JSON, key, self.properties) for key, name in _once()}
        handler = _text(self.handler)
        values |= {
            name: _number(handler, IN_YAML, key, self.handler) for key, name in HANDLER.items()
        }
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
        edited = _edited(models[0], IN_JSON, PROPERTIES, candidate, self.properties)
        return text[: models.start()] + edited + text[models.end() :]

    def handler_text(self, candidate: Candidate) -> str:
        """The handler's file with the candidate's settings."""
        return _edited(_text(self.handler), IN_YAML, HANDLER, candidate, self.handler)


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


def _number(text: str, form: str, key: str, path: Path) -> int:
    found = re.findall(form.format(key), text)
    if len(found) != 1:
        raise Failure(
            f"{path} must say {key} once, as a number, and says it {len(found)} times: tuning "
            "is for one model."
        )
    return int(found[0][1])


def _edited(text: str, form: str, keys: Mapping[str, str], candidate: Candidate, path: Path) -> str:
    values = asdict(candidate)
    for key, name in keys.items():
        _number(text, form, key, path)
        text = re.sub(form.format(key), rf"\g<1>{values[name]}", text)
    return text
