"""What a client's bytes are read as, and what is said of those that cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.body import Form, Json, Text, read_body
from sentiment.errors import Malformed, RequestError, Unsupported

JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=UTF-8",
        " application/json ",
    ],
)
def test_json_is_told_by_its_content_type_however_it_is_written(content_type: str) -> None:
    assert read_body({"content-type": content_type}, {"body": b'{"text": "a"}'}) == Json(
        {"text": "a"}
    )


@pytest.mark.parametrize(
    "headers",
    [{}, {"content-type": ""}, {"content-type": "text/plain"}, {"content-type": "TEXT/plain"}],
)
def test_a_body_of_no_other_type_is_the_text(headers: dict[str, str]) -> None:
    assert read_body(headers, {"body": "schön".encode()}) == Text("schön")


def test_a_byte_order_mark_is_not_text() -> None:
    assert read_body({}, {"body": b"\xef\xbb\xbfgood"}) == Text("good")
    assert read_body(JSON, {"body": b"\xef\xbb\xbf[1]"}) == Json([1])


def test_a_form_is_its_fields() -> None:
    assert read_body(FORM, {"text": b"good"}) == Form({"text": "good"})
    assert read_body({"content-type": "multipart/form-data; boundary=x"}, {}) == Form({})


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
        read_body(JSON, {"body": body})
    assert caught.value.status == 400
    assert len(caught.value.message) < 200
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("row", [{"body": b""}, {}])
def test_an_empty_body_is_malformed(row: dict[str, bytes]) -> None:
    with pytest.raises(Malformed, match="empty"):
        read_body({}, row)


def test_text_that_is_not_utf8_is_malformed_and_says_where() -> None:
    with pytest.raises(Malformed, match="byte 4 of 4"):
        read_body({}, {"body": b"caf\xe9"})
    with pytest.raises(Malformed, match="form field"):
        read_body(FORM, {"text": b"caf\xe9"})


def test_a_form_without_its_boundary_is_malformed() -> None:
    with pytest.raises(Malformed, match="boundary"):
        read_body({"content-type": "multipart/form-data"}, {"body": b"x"})


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
def test_json_labelled_as_a_form_is_told_which_header_to_add(row: dict[str, bytes]) -> None:
    with pytest.raises(Unsupported, match="Content-Type: application/json"):
        read_body(FORM, row)


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
def test_what_is_not_spoken_is_unsupported(headers: dict[str, str]) -> None:
    with pytest.raises(Unsupported):
        read_body(headers, {"body": b"good"})


@given(
    st.dictionaries(
        st.sampled_from(["content-type", "content-encoding", "accept"]),
        st.one_of(
            st.text(),
            st.sampled_from(["application/json", FORM["content-type"], "text/plain;charset="]),
        ),
    ),
    st.dictionaries(st.one_of(st.just("body"), st.text()), st.binary(), max_size=3),
)
def test_nothing_but_a_request_error_is_ever_raised(
    headers: dict[str, str], row: dict[str, bytes]
) -> None:
    try:
        assert isinstance(read_body(headers, row), Json | Text | Form)
    except RequestError as error:
        assert error.status in (400, 415)
