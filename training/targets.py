"""What the default model is meant to reach, as figures of a report of `training.evaluate`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Sets of which a tenth or more of the labels were wrong in a sample that was read.
NOISY = {"wide/amazon_media", "wide/goemotions", "wide/semeval_tweets", "wide/vader_tweets"}

Report = dict[str, Any]
Figure = Callable[[Report], float | None]


@dataclass(frozen=True)
class Target:
    """A figure, None if the report lacks it, and the least or the most that it should be."""

    description: str
    figure: Figure
    limit: float
    least: bool

    def reached(self, value: float) -> bool:
        """Whether `value` is within the limit."""
        return value >= self.limit if self.least else value <= self.limit


def _of(kind: str, name: str, figure: str) -> Figure:
    def read(report: Report) -> float | None:
        value: float | None = report[kind].get(name, {}).get(figure)
        return value

    return read


def _least(name: str, figure: str, limit: float) -> Target:
    label = figure.replace("_", " ")
    return Target(f"{name}: {label} at least {limit}", _of("sets", name, figure), limit, True)


def _failures(name: str, limit: float) -> Target:
    return Target(
        f"{name}: failures at most {limit}", _of("behaviours", name, "failures"), limit, False
    )


def _clean_errors(report: Report) -> list[float]:
    return [
        figures["calibration_error"]
        for name, figures in report["sets"].items()
        if name not in NOISY
    ]


def _worst_error(report: Report) -> float | None:
    return max(_clean_errors(report), default=None)


def _mean_error(report: Report) -> float | None:
    errors = _clean_errors(report)
    return sum(errors) / len(errors) if errors else None


def _neutral_called_polar(report: Report) -> float | None:
    """The mean over the sets with neutral texts."""
    shares = [
        figures["neutral_called_polar"]
        for figures in report["sets"].values()
        if figures["neutral_called_polar"] is not None
    ]
    return sum(shares) / len(shares) if shares else None


def _windows_above_truncation(report: Report) -> float | None:
    names = ("imdb-long", "imdb-long, truncated")
    windows, truncated = (_of("sets", name, "polarity_accuracy")(report) for name in names)
    return None if windows is None or truncated is None else windows - truncated


TARGETS = (
    _least("sst2-dev", "polarity_accuracy", 0.92),
    _least("sst3-test", "macro_recall", 0.68),
    _least("imdb", "polarity_accuracy", 0.93),
    _least("wide/semeval_tweets", "macro_recall", 0.70),
    _least("measure/airline_tweets", "macro_recall", 0.77),
    *(
        _least(f"wide/{name}", "polarity_accuracy", 0.94)
        for name in ("amazon_products", "amazon_media", "amazon_mtl")
    ),
    Target(
        "long reviews, windows above truncation, least 0.003",
        _windows_above_truncation,
        0.003,
        True,
    ),
    Target("worst calibration error of a clean set at most 0.03", _worst_error, 0.03, False),
    Target("mean calibration error of the clean sets at most 0.02", _mean_error, 0.02, False),
    Target("neutral called polar at 0.9, mean, under 0.05", _neutral_called_polar, 0.05, False),
    _failures("names swapped", 0.01),
    _failures("places swapped", 0.01),
    _failures("negation near", 0.05),
    _failures("typos", 0.04),
    _failures("upper and lower case", 0.04),
)
