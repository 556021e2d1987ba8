"""The OpenAPI 3.1 document of the service.

It is made from the types of the dialects and the classes of `errors`, so that it cannot differ from
the service.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_type_hints

import msgspec

from sentiment import __version__
from sentiment.errors import ErrorAnswer, RequestError
from sentiment.protocol.dialects import ALL
from sentiment.protocol.dialects.operation import PAIRS_ONLY, Operation
from sentiment.protocol.reading import UNCERTAIN
from sentiment.served_model import ServedModel

_REF = "#/components/schemas/{name}"
_DESCRIPTION = """\
Labels and scores for texts: {labels}.

Concurrent requests are scored in one batch, whatever their format. One request holds at most \
{settings.max_texts_per_request} texts of at most {settings.max_chars_per_text:,} characters. A \
text of more than {settings.max_tokens} tokens is scored in windows that overlap, at most \
{settings.max_windows} of them. /predictions/{name} asks for the default version, \
/predictions/{name}/{version} for this one.

Every error has one plain sentence that says what to change. TorchServe itself answers requests \
that never reach the model, with `code`, `type` and `message`: an unknown model or version, a \
missing token, a full queue. A body with too many bytes gets an empty 413.

The header x-request-deadline holds the time, in Unix seconds, after which the client no longer \
waits, and grpc-timeout how long it waits, such as 500m for half a second. A request that is not \
scored by then gets a 504.
"""


class FrontEndError(msgspec.Struct):
    """An answer of TorchServe itself."""

    code: int
    type: str
    message: str


# Statuses of errors from TorchServe itself.
_FRONT_END = {
    400: "A required token is missing, wrong or expired.",
    404: "There is no such model or version.",
    500: "The worker died.",
    503: "The queue is full, or there is no worker.",
    507: "The worker was killed.",
}
_HEADERS = {
    "x-total-time": ("number", "Milliseconds that the batch took in the handler."),
    "x-tokenization-time": ("number", "Milliseconds of these for tokenization."),
    "x-inference-time": ("number", "Milliseconds of these for the model."),
    "x-compute-tokens": ("integer", "Tokens of this request that were scored."),
    "x-request-id": ("string", "The id of this request in the log."),
}
# Keywords of a schema whose value may be the name of a limit.
_LIMITED = ("maxLength", "maxItems", "minimum", "enum", "pattern")
_RETRY_AFTER = {
    "retry-after": {
        "description": "Seconds after which to send the request again; TorchServe sends none.",
        "schema": {"type": "integer"},
    }
}


def render(model: ServedModel) -> str:
    """The document as text, in ASCII."""
    return json.dumps(document(model), indent=2)


def document(model: ServedModel) -> dict[str, Any]:
    """The document, as `json` writes it."""
    operations = [dialect.OPERATION for dialect in ALL if dialect.OPERATION.offered(model)]
    types = [kind for operation in operations for kind in _types(operation)]
    types += [ErrorAnswer, FrontEndError]
    references, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    schema_of = dict(zip(map(repr, types), references, strict=True))
    schemas["ErrorAnswer"]["properties"]["error_type"]["enum"] = [
        error.__name__ for error in RequestError.__subclasses__()
    ]
    paths: dict[str, Any] = {}
    for path in dict.fromkeys(path for operation in operations for path in operation.paths):
        group = [operation for operation in operations if path in operation.paths]
        number = group[0].paths.index(path)
        paths[path.format(name=model.name, version=model.version)] = {
            "post": _post(group, schema_of, f"_{number + 1}" if number else "")
        }
    predictions = f"/predictions/{model.name}"
    paths[predictions]["get"] = _get("page", "A page to try it on, for browsers", "text/html")
    paths[f"{predictions}/{model.version}/openapi.json"] = {
        "get": _get("openapi", "This document", "application/json")
    }
    paths[f"{predictions}/{model.version}/info"] = {
        "get": _get("info", "The model, its limits, engine and calibration", "application/json")
    }
    paths[f"{predictions}/{model.version}/ready"] = {
        "get": _get(
            "ready", "Whether to send requests here: 503 while draining", "application/json"
        )
    }
    paths[f"{predictions}/{model.version}/health"] = {
        "get": _get("health", "That a worker answers, and which", "application/json")
    }
    template = {
        "openapi": "3.1.0",
        "info": {
            "title": f"Text classification: {model.name}",
            "version": __version__,
            "description": _DESCRIPTION.format(
                name=model.name,
                version=model.version,
                labels=", ".join(model.labels),
                settings=model.settings,
            ),
        },
        "servers": [{"url": "/"}],
        # No token, which is the default, or TorchServe's.
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": _errors(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    limits = {
        "max_texts_per_request": model.settings.max_texts_per_request,
        "max_chars_per_text": model.settings.max_chars_per_text,
        "min_tokens": model.min_tokens,
        "labels": list(model.labels),
        "decided_labels": [*model.labels, UNCERTAIN],
        "language": rf"^((?:{'|'.join(model.settings.languages) or '.*'})(-[\s\S]*)?)?$",
    }
    return dict(_filled_in(template, limits, pairs=model.takes_pairs))


def _types(operation: Operation) -> Iterator[Any]:
    yield from operation.bodies
    yield from operation.answers
    for kinds in (operation.others or {}).values():
        yield from kinds
    if operation.fail:
        yield _failure(operation)


def _failure(operation: Operation) -> Any:
    """The type of the errors of a dialect that has its own."""
    return get_type_hints(operation.fail)["return"]


def _post(group: Sequence[Operation], schema_of: Mapping[str, Any], suffix: str) -> dict[str, Any]:
    def any_of(kinds: Sequence[Any]) -> dict[str, Any]:
        schemas = [schema_of[repr(kind)] for kind in kinds]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    content: dict[str, Any] = {
        group[0].media_type: {
            "schema": any_of([body for operation in group for body in operation.bodies]),
            "examples": {
                operation.name: {"summary": operation.summary, "value": operation.example}
                for operation in group
            },
        }
    }
    for operation in group:
        for media_type, kinds in (operation.others or {}).items():
            content[media_type] = {"schema": any_of(kinds)}
    answers = [answer for operation in group for answer in operation.answers]
    own = [_failure(operation) for operation in group if operation.fail]
    if own:
        own.append(FrontEndError)
        # A body of another content type is not this dialect's.
        own += [ErrorAnswer] * (group[0].media_type != "application/json")
    return {
        "operationId": group[0].name + suffix,
        "summary": " · ".join(operation.summary for operation in group),
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": {
                "description": "Labels and scores.",
                "headers": {
                    name: {"description": text, "schema": {"type": kind}, "required": True}
                    for name, (kind, text) in _HEADERS.items()
                },
                "content": {"application/json": {"schema": any_of(answers)}},
            }
        }
        | (_own_errors(any_of(own)) if own else _error_references(_errors())),
    }


def _own_errors(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The errors of a dialect that has its own."""
    return {
        statuses: {
            "description": description,
            "content": {"application/json": {"schema": schema}},
        }
        for statuses, description in {
            "4XX": "What the client has to change.",
            "5XX": "What the service could not do.",
        }.items()
    }


def _get(name: str, summary: str, media_type: str) -> dict[str, Any]:
    kind = "string" if media_type.startswith("text/") else "object"
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {
                "description": summary + ".",
                "content": {media_type: {"schema": {"type": kind}}},
            }
        }
        | _error_references(f"Error{status}" for status in _FRONT_END),
    }


def _errors() -> dict[str, Any]:
    """The error responses by name; a status may come from the handler, TorchServe or both."""
    responses = {}
    for status in sorted({error.status for error in RequestError.__subclasses__()} | {*_FRONT_END}):
        ours = [error for error in RequestError.__subclasses__() if error.status == status]
        names = ["ErrorAnswer"] * bool(ours) + ["FrontEndError"] * (status in _FRONT_END)
        meanings = [*(str(error.__doc__) for error in ours), _FRONT_END.get(status)]
        responses[f"Error{status}"] = {
            "description": " ".join(filter(None, meanings)),
            "headers": _RETRY_AFTER if any(error.retry_after for error in ours) else {},
            "content": {
                "application/json": {
                    "schema": {"anyOf": [{"$ref": _REF.format(name=name)} for name in names]}
                }
            },
        }
    return responses


def _error_references(names: Iterable[str]) -> dict[str, Any]:
    return {
        name.removeprefix("Error"): {"$ref": f"#/components/responses/{name}"} for name in names
    }


def _filled_in(node: Any, limits: Mapping[str, object], *, pairs: bool) -> Any:
    """A copy of `node` with values in place of the names of limits, and with `pairs` or without."""
    if isinstance(node, dict):
        return {
            key: limits[value]
            if key in _LIMITED and isinstance(value, str) and value in limits
            else _filled_in(value, limits, pairs=pairs)
            for key, value in node.items()
            if key != PAIRS_ONLY
        }
    if isinstance(node, list):
        kept = [entry for entry in node if pairs or not _is_pair(entry)]
        return [_filled_in(entry, limits, pairs=pairs) for entry in kept]
    return node


def _is_pair(node: Any) -> bool:
    return isinstance(node, dict) and PAIRS_ONLY in node
