"""Every format of a prediction request, sent with curl."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

TEXT = "A gripping, beautifully shot film & more + 100 % fun."

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None, reason="needs curl: apt-get install curl"
)


def curl(url: str, *arguments: str) -> tuple[int, dict[str, object]]:
    run = ["curl", "--silent", "--write-out", "\n%{http_code}", *arguments, url]
    stdout = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    body, _, status = stdout.rpartition("\n")
    return int(status), json.loads(body)


def test_every_form_gets_the_same_answer(url: str, tmp_path: Path) -> None:
    review = tmp_path / "review.txt"
    review.write_text(TEXT)
    answers = [
        curl(url, "-H", "Content-Type: application/json", "-d", json.dumps({"text": TEXT})),
        curl(url, "-H", "Content-Type: text/plain; charset=utf-8", "-d", TEXT),
        curl(url, "-T", str(review)),
        curl(url, "-F", f"text={TEXT}"),
        curl(url, "-F", f"text=@{review}"),
        curl(url, "-F", f"data=<{review}"),
        curl(url, "--data-urlencode", f"text={TEXT}"),
        curl(url, "--data-urlencode", f"data={TEXT}"),
    ]
    assert {status for status, _ in answers} == {200}
    assert all(body == answers[0][1] for _, body in answers)
    assert answers[0][1]["sentiment"] == "POSITIVE"


def test_json_sent_as_a_form_gets_an_error_that_names_the_header(url: str) -> None:
    for text in (TEXT, "A plain text.", "a = b", "a&b=c"):
        status, body = curl(url, "-d", json.dumps({"text": text}))
        assert status == 415
        assert "Content-Type: application/json" in str(body["error"])
    status, body = curl(url, "-d", "A plain text.")
    assert status == 415
    assert "Content-Type: text/plain" in str(body["error"])


def test_a_get_request_gets_an_error_that_asks_for_a_body(url: str) -> None:
    status, body = curl(url)
    assert (status, body["error_type"]) == (400, "Malformed")
