"""`sentiment compare`: flips, shifts, slices and the exit code."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sentiment_client.cli import main
from tests.unit.client_cases import answers, error
from tests.unit.scripted_server import Scripted, scripted


def server(positive: Callable[[str], float]) -> Callable[[bytes], tuple[int, bytes]]:
    """A server whose score of POSITIVE is `positive(text)`; it fails on blank texts."""

    def entry(text: str) -> dict[str, object]:
        if not text.strip():
            return dict(json.loads(error("Validation", "The text is blank.")))
        scores = {"NEGATIVE": 1 - positive(text), "POSITIVE": positive(text)}
        label = max(scores, key=scores.__getitem__)
        return {
            "sentiment": label,
            "score": scores[label],
            "scores": scores,
            "tokens": len(text.split()),
            "truncated": False,
        }

    return lambda body: answers(*map(entry, json.loads(body)["texts"]))


def old(text: str) -> float:
    return 0.75


def new(text: str) -> float:
    """Flips the texts with "bad", and shifts those with "meh"."""
    return 0.125 if "bad" in text else 0.5625 if "meh" in text else 0.75


@pytest.fixture
def servers() -> Iterator[tuple[Scripted, Scripted]]:
    with scripted(server(old)) as a, scripted(server(new)) as b:
        yield a, b


TEXTS = ["good"] * 600 + ["meh"] * 30 + ["bad"] * 9 + ["bad " * 20, ""]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    rows = [{"text": text, "shop": text.strip()[:3] or None} for text in TEXTS]
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_it_counts_flips_and_shifts_per_slice(
    servers: tuple[Scripted, Scripted], texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    addresses = [server.address for server in servers]
    arguments = ["compare", *addresses, str(texts), "--by", "shop", "--worst", "11"]
    assert main([*arguments, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["rows"], shown["flips"]) == (641, 10)
    assert shown["flip_rate"] == 10 / 641
    assert shown["mean_shift"] == pytest.approx((30 * 0.1875 + 10 * 0.625) / 641)
    assert shown["shift"] == {
        "p50": pytest.approx(0.001),
        "p95": pytest.approx(0.1875, abs=0.001),
        "p99": pytest.approx(0.625, abs=0.001),
        "max": 0.625,
    }
    assert shown["transitions"] == [
        {"a": "POSITIVE", "b": "POSITIVE", "rows": 630},
        {"a": "POSITIVE", "b": "NEGATIVE", "rows": 10},
        {"a": "Validation", "b": "Validation", "rows": 1},
    ]
    flips = {
        name: {value: part["flips"] for value, part in slices.items()}
        for name, slices in shown["slices"].items()
    }
    assert flips == {
        "label of A": {"POSITIVE": 10, "Validation": 0},
        "tokens": {"up to 16": 9, "up to 64": 1, "unknown": 0},
        "shop": {"goo": 0, "meh": 0, "bad": 10, "None": 0},
    }
    assert [(e["text"].strip()[:3], e["shift"]) for e in shown["worst"]] == [
        *[("bad", -0.625)] * 10,
        ("meh", -0.1875),
    ]

    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("10 of 641 labels change (1.56%)\n")
    assert "  POSITIVE -> NEGATIVE\t10\n" in printed
    assert "POSITIVE\tNEGATIVE\t-0.625\tbad\n" in printed


@pytest.mark.parametrize(
    ("most", "code"), [("9", 1), ("10", 0), ("1.5%", 1), ("1.6%", 0), ("0", 1)]
)
def test_too_many_flips_are_exit_code_1(
    servers: tuple[Scripted, Scripted], texts: Path, most: str, code: int
) -> None:
    a, b = (server.address for server in servers)
    assert main(["compare", a, b, str(texts), "--max-flips", most]) == code
    assert main(["compare", a, a, str(texts), "--max-flips", "0"]) == 0


def test_a_text_on_which_only_one_fails_is_a_flip(tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("good\n")
    failing = answers(json.loads(error("TooLarge")))
    with scripted(server(old)) as a, scripted(failing) as b:
        command = ["compare", a.address, b.address, str(texts)]
        assert main([*command, "--max-flips", "0"]) == 1


def test_wrong_columns_and_limits_are_refused(
    servers: tuple[Scripted, Scripted], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = (server.address for server in servers)
    texts = tmp_path / "texts.csv"
    texts.write_text("id,text\n" + "".join(f"{i},good\n" for i in range(1_100)))
    assert main(["compare", a, b, str(texts), "--by", "shop"]) == 1
    assert "no column named 'shop'" in capsys.readouterr().err
    assert main(["compare", a, b, str(texts), "--by", "id"]) == 1
    assert "more than 1,000 values" in capsys.readouterr().err
    texts.write_text("text\n")
    assert main(["compare", a, b, str(texts)]) == 1
    assert "has no rows" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["compare", a, b, str(texts), "--max-flips", "few"])
    assert caught.value.code == 2
