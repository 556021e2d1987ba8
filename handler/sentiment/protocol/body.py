"""Read the bytes of a request as JSON, plain text or form fields, by its content type.

TorchServe passes one mapping of field names to bytes: the key "body" holds a plain body, and a form
has one key per field. With `decode_input_request=false` it decodes nothing itself, so that every
failure can be a clear 4xx.
"""

import json
from collections.abc import Mapping

from msgspec import Struct

from sentiment.errors import Malformed, Unsupported, Validation
from sentiment.protocol.route import Route

EXAMPLE = '{"text": "..."}'
_TYPE_NAMES = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
_MAY_BE_BINARY = ("", "application/json", "application/octet-stream")
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Json(Struct, frozen=True):
    """A JSON body.

    `query` holds the URL's query on the routes where TorchServe passes it on. `binary` holds the
    bytes after the JSON in KServe's binary tensor extension. `target` is the operation that an
    AWS client names in a header.
    """

    value: object
    query: Mapping[str, str] = {}
    binary: bytes = b""
    target: str = ""


class Text(Struct, frozen=True):
    """A body that is itself the text."""

    text: str


class Form(Struct, frozen=True):
    """The fields of an HTML form."""

    fields: Mapping[str, str]


Body = Json | Text | Form


def read_body(route: Route, headers: Mapping[str, str], row: Mapping[str, bytes]) -> Body:
    """Read one request.

    `headers` have lower-case names. A body without a content type is JSON if it is a JSON object,
    else the text itself. Raises Malformed (400) for bytes that do not match their content type,
    Unsupported (415) for a content type, charset or encoding that is not supported, and Validation
    (422) for a gRPC input that is not named "data".
    """
    if route is Route.GRPC:
        return _read_grpc(row)
    _check_encoding(headers)
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    media_type = media_type.strip().lower()
    if media_type in _FORMS:
        return _read_form(media_type, row)
    raw = row.get("body", b"")
    length = headers.get("inference-header-content-length")
    if length and route is Route.KSERVE and media_type in _MAY_BE_BINARY:
        return _read_binary(length, raw)
    if media_type not in ("", "text/plain", "application/json"):
        raise Unsupported(
            "This content type is not supported: send application/json, text/plain, "
            "application/x-www-form-urlencoded or multipart/form-data."
        )
    _check_charset(parameters)
    if not raw:
        raise Malformed(f"The body is empty: send a text, or JSON such as {EXAMPLE}.")
    text = _decode(raw, "The body")
    if media_type == "text/plain" or not (media_type or _is_json_object(text)):
        return Text(text)
    query = {name: _decode(value, "The query") for name, value in row.items() if name != "body"}
    return Json(_parse_json(text), query)


def read_json(headers: Mapping[str, str], row: Mapping[str, bytes]) -> Json:
    """Read a request of a hosted service's client, which sends JSON under any content type.

    Raises Malformed (400) if it is not JSON, and Unsupported (415) if it is compressed.
    """
    _check_encoding(headers)
    raw = row.get("body", b"")
    if not raw:
        raise Malformed("The body is empty: send JSON.")
    return Json(_parse_json(_decode(raw, "The body")), target=headers.get("x-amz-target", ""))


def json_fields(body: Body) -> Mapping[str, object]:
    """The fields of a JSON object; empty for any other body."""
    return body.value if isinstance(body, Json) and isinstance(body.value, dict) else {}


def query_of(body: Body) -> Mapping[str, str]:
    """The URL's query of a JSON body, on the routes where TorchServe passes it on."""
    return body.query if isinstance(body, Json) else {}


def type_name(value: object) -> str:
    """How an error names the type of a JSON value."""
    return "null" if value is None else _TYPE_NAMES.get(type(value), "a number")


def _read_grpc(row: Mapping[str, bytes]) -> Body:
    """Read a gRPC call, which has no content type: data that starts with "{" must be JSON."""
    if set(row) != {"data"}:
        raise Validation('The input has to be one entry named "data": send the body in it.')
    text = _decode(row["data"], "The data")
    if not text:
        raise Malformed(f"The data is empty: send a text, or JSON such as {EXAMPLE}.")
    return Json(_parse_json(text)) if text.lstrip().startswith("{") else Text(text)


def _is_json_object(text: str) -> bool:
    """Whether a body without a content type is a JSON object, even one with NaN or too deep."""
    if not text.lstrip().startswith("{"):
        return False
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return False
    except (RecursionError, ValueError):  # JSON, which `_parse_json` refuses with the reason
        return True
    return True


def _read_binary(length: str, raw: bytes) -> Json:
    """Read JSON of `length` bytes, followed by the tensors."""
    digits = length.isascii() and length.isdigit() and len(length) < 10
    if not digits or (size := int(length)) > len(raw):
        raise Malformed(
            "Inference-Header-Content-Length is not the length of the JSON: send its length in "
            "bytes, or leave out the header and the binary data."
        )
    text = _decode(raw[:size], "The JSON")
    return Json(_parse_json(text), binary=bytes(raw[size:]))


def _read_form(media_type: str, row: Mapping[str, bytes]) -> Form:
    if media_type == "multipart/form-data":
        if set(row) == {"body"}:
            raise Malformed("The form cannot be read: send its boundary in the Content-Type.")
    elif not row or any(name.lstrip().startswith(("{", "[")) for name in row):
        # `curl -d '{...}'` labels JSON as a form. TorchServe's form decoder has already dropped
        # every "&" and "+" or, in a body without "=", all of it.
        raise Unsupported(
            "The body is labelled as a form but has no fields: if it is JSON, add the header "
            '"Content-Type: application/json"; if it is a text, "Content-Type: text/plain".'
        )
    return Form({name: _decode(value, "A form field") for name, value in row.items()})


def _check_encoding(headers: Mapping[str, str]) -> None:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Unsupported(
            "Compressed bodies are not supported: send it without the Content-Encoding header."
        )


def _check_charset(parameters: str) -> None:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        charset = value.strip().strip("\"'").lower()
        if name.strip().lower() == "charset" and charset not in ("utf-8", "utf8", "us-ascii"):
            raise Unsupported("Only UTF-8 is supported: send the text as UTF-8, and charset=utf-8.")


def _decode(raw: bytes, what: str) -> str:
    try:
        return bytes(raw).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(
            f"{what} is not UTF-8 (byte {error.start + 1} of {len(raw)}): send it as UTF-8."
        ) from None


def _parse_json(text: str) -> object:
    try:
        return _JSON.decode(text)
    except RecursionError:
        raise Malformed("The JSON is nested too deeply: send flat JSON.") from None
    except json.JSONDecodeError as error:
        raise Malformed(
            f"The body is not JSON ({error.msg}, line {error.lineno}, column {error.colno}): "
            "fix it there."
        ) from None
    except ValueError:  # int() refuses more than sys.get_int_max_str_digits() digits
        raise Malformed("A number in the JSON has too many digits: send a shorter one.") from None


def _number(digits: str) -> float:
    """Read 1.0 as a whole number, which it is in JSON Schema and so in OpenAPI."""
    value = float(digits)
    return int(value) if value.is_integer() else value


def _refuse_constant(name: str) -> object:
    raise Malformed(f"{name} is not JSON: send null, or a number.")


_JSON = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_number)
