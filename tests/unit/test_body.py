"""How the bytes of a request are read, and the errors for bytes that cannot be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.errors import Malformed, RequestError, Unsupported, Validation
from sentiment.protocol.body import Body, Form, Json, Text, query_of, read_body
from sentiment.protocol.route import Route, route_of

JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def read(headers: dict[str, str], row: dict[str, bytes]) -> Body:
    return read_body(Route.PREDICTIONS, headers, row)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=UTF-8",
        " application/json ",
    ],
)
def test_the_content_type_of_json_may_have_any_case_and_parameters(content_type: str) -> None:
    assert read({"content-type": content_type}, {"body": b'{"text": "a"}'}) == Json({"text": "a"})


@pytest.mark.parametrize(
    "headers",
    [{}, {"content-type": ""}, {"content-type": "text/plain"}, {"content-type": "TEXT/plain"}],
)
def test_a_plain_text_body_is_the_text(headers: dict[str, str]) -> None:
    assert read(headers, {"body": "schön".encode()}) == Text("schön")


@pytest.mark.parametrize("headers", [{}, {"content-type": ""}, {"content-type": " "}])
@pytest.mark.parametrize("route", [Route.PREDICTIONS, Route.INVOCATIONS, Route.KSERVE])
def test_a_json_object_needs_no_content_type(route: Route, headers: dict[str, str]) -> None:
    for raw in (b'{"inputs": "a"}', b' \n{"inputs": "a"}\n', b'\xef\xbb\xbf{"inputs": "a"}'):
        assert read_body(route, headers, {"body": raw}) == Json({"inputs": "a"})


@pytest.mark.parametrize(
    "text",
    ['["a", "b"]', '"a"', "1", "null", "{smile} Nice.", "{'inputs': 'a'}", '{"inputs": "a"', "{"],
)
def test_anything_else_without_a_content_type_is_the_text(text: str) -> None:
    assert read({}, {"body": text.encode()}) == Text(text)


def test_a_json_object_sent_as_text_plain_is_a_text() -> None:
    assert read({"content-type": "text/plain"}, {"body": b'{"text": "a"}'}) == Text('{"text": "a"}')


@pytest.mark.parametrize(
    "body", [b'{"text": NaN}', b'{"n": ' + b"9" * 5_000 + b"}", b'{"a": ' * 100_000]
)
def test_an_invalid_json_object_is_not_scored_as_text(body: bytes) -> None:
    with pytest.raises(Malformed):
        read({}, {"body": body})


def test_a_whole_number_may_be_written_with_a_point() -> None:
    body = read(JSON, {"body": b"[1.0, 0.5, 1e999]"})
    assert repr(body) == repr(Json([1, 0.5, float("inf")]))


def test_a_byte_order_mark_is_removed() -> None:
    assert read({}, {"body": b"\xef\xbb\xbfgood"}) == Text("good")
    assert read(JSON, {"body": b"\xef\xbb\xbf[1]"}) == Json([1])


def test_a_form_is_read_as_its_fields() -> None:
    assert read(FORM, {"text": b"good"}) == Form({"text": "good"})
    assert read({"content-type": "multipart/form-data; boundary=x"}, {}) == Form({})


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"{'text': 'single quotes'}",
        b'{"text": NaN}',
        b'{"text": -Infinity}',
        b"\xff\xfe{\x00}\x00",
        b'{"text": "\xe9"}',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"text": ' + b"9" * 5_000 + b"}",
        b'{"text": "line\nbreak"}',
    ],
)
def test_json_that_cannot_be_read_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        read(JSON, {"body": body})
    assert caught.value.status == 400
    assert len(caught.value.message) < 200
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("row", [{"body": b""}, {}])
def test_an_empty_body_is_malformed(row: dict[str, bytes]) -> None:
    with pytest.raises(Malformed, match="empty"):
        read({}, row)


def test_the_error_for_text_that_is_not_utf8_names_the_byte() -> None:
    with pytest.raises(Malformed, match="byte 4 of 4"):
        read({}, {"body": b"caf\xe9"})
    with pytest.raises(Malformed, match="form field"):
        read(FORM, {"text": b"caf\xe9"})


def test_a_form_without_its_boundary_is_malformed() -> None:
    with pytest.raises(Malformed, match="boundary"):
        read({"content-type": "multipart/form-data"}, {"body": b"x"})


@pytest.mark.parametrize(
    "row",
    [
        {'{"text": "a"}': b""},
        {'{"text": "a ': b"", " b": b'"}'},
        {"[1]": b""},
        {},
        {' {"text": "x': b'y"}', "text": b"hidden"},
    ],
)
def test_json_labelled_as_a_form_gets_an_error_that_names_the_header(row: dict[str, bytes]) -> None:
    with pytest.raises(Unsupported, match="Content-Type: application/json"):
        read(FORM, row)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "image/png"},
        {"content-type": "application/octet-stream"},
        {"content-type": "text/html"},
        {"content-type": "text/plain; charset=latin-1"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-encoding": "gzip"},
    ],
)
def test_other_content_types_are_unsupported(headers: dict[str, str]) -> None:
    with pytest.raises(Unsupported):
        read(headers, {"body": b"good"})


def test_the_route_follows_from_the_headers_that_torchserve_adds() -> None:
    host = {"host": "localhost"}
    assert route_of(host | {"explain": "False", "url_path": ""}) is Route.PREDICTIONS
    assert route_of(host | {"explain": "False"}) is Route.KSERVE
    assert route_of(host) is Route.INVOCATIONS
    assert route_of({}) is Route.GRPC


def test_the_query_of_a_json_request_is_read() -> None:
    body = read_body(Route.INVOCATIONS, JSON, {"body": b"{}", "top_k": b"2"})
    assert query_of(body) == {"top_k": "2"}
    assert query_of(Text("good")) == {}


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b'{"text": "good"}', Json({"text": "good"})),
        (b' {"text": "good"}', Json({"text": "good"})),
        (b"good", Text("good")),
        (b"[sic]", Text("[sic]")),
    ],
)
def test_a_grpc_call_holds_json_or_a_text(data: bytes, body: Body) -> None:
    assert read_body(Route.GRPC, {}, {"data": data}) == body


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"data": b""}, Malformed),
        ({"data": b"\xff"}, Malformed),
        ({"data": b"{"}, Malformed),
        ({"text": b"good"}, Validation),
        ({"data": b"good", "more": b"x"}, Validation),
        ({}, Validation),
    ],
)
def test_a_grpc_call_of_another_shape_is_refused(
    row: dict[str, bytes], error: type[RequestError]
) -> None:
    with pytest.raises(error):
        read_body(Route.GRPC, {}, row)


def binary(length: str, raw: bytes) -> Body:
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": length,
    }
    return read_body(Route.KSERVE, headers, {"body": raw})


def test_kserves_binary_extension_is_read_as_json_and_binary_data() -> None:
    assert binary("2", b"{}\x01\x02") == Json({}, binary=b"\x01\x02")
    assert binary("2", b"{}") == Json({})


@pytest.mark.parametrize("length", ["-1", "5", "two", "0", "9" * 5_000, "1", "1_0", "0000000002"])
def test_a_wrong_length_of_the_json_is_malformed(length: str) -> None:
    with pytest.raises(Malformed):
        binary(length, b"{}\x01\x02")


@given(
    st.sampled_from(Route),
    st.dictionaries(
        st.sampled_from(
            [
                "content-type",
                "content-encoding",
                "accept",
                "inference-header-content-length",
            ]
        ),
        st.one_of(
            st.text(),
            st.sampled_from(["application/json", FORM["content-type"], "text/plain;charset="]),
        ),
    ),
    st.dictionaries(st.one_of(st.just("body"), st.text()), st.binary(), max_size=3),
)
def test_reading_any_body_raises_only_request_errors(
    route: Route, headers: dict[str, str], row: dict[str, bytes]
) -> None:
    try:
        assert isinstance(read_body(route, headers, row), Json | Text | Form)
    except RequestError as error:
        assert error.status in (400, 415, 422)
