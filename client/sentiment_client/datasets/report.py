"""A report of a scored data set: one HTML file that loads nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template

from sentiment_client.datasets.statistics import CONFIDENCE_BINS, Example, Statistics

# Rows of a table of groups; the others are summed.
MOST_ROWS = 30
# Characters of an example; a whole review would hide the others.
MOST_CHARACTERS = 600
# Okabe and Ito's colours, which colour-blind people can tell apart, on light and on dark.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a8f98")


def report(statistics: Statistics, title: str) -> str:
    """The HTML of the report; all text from the data set is escaped."""
    palette = _palette(statistics.labels)
    parts = [_summary(statistics), _labels(statistics, palette), _confidence(statistics, palette)]
    parts.append(_lengths(statistics))
    if statistics.time:
        parts.append(_trend(statistics, palette))
    for name, groups in statistics.groups.items():
        parts.append(_groups(name, groups, palette))
    for label, examples in sorted(statistics.telling.items()):
        parts.append(_examples(f"Most telling: {label}", examples, {}))
    parts.append(_examples("Least certain", statistics.uncertain, palette))
    template = Template(files(__package__).joinpath("report.html").read_text(encoding="utf-8"))
    return template.substitute(title=escape(title), body="\n".join(parts))


def _palette(labels: Counter[str]) -> dict[str, str]:
    """A colour per label, in the order of the labels; those beyond the last colour share it."""
    return {label: _COLOURS[min(i, len(_COLOURS) - 1)] for i, label in enumerate(sorted(labels))}


def _summary(statistics: Statistics) -> str:
    mean = statistics.tokens / statistics.rows
    truncated = f"{statistics.truncated:,}" if statistics.truncated else "none"
    return (
        f"<p>{statistics.rows:,} texts of {mean:,.0f} tokens on average, "
        f"{truncated} of them truncated.</p>"
    )


def _labels(statistics: Statistics, palette: Mapping[str, str]) -> str:
    most = max(statistics.labels.values())
    rows = [
        [_key(label, palette), _share(count, statistics.rows), _bar({label: count}, most, palette)]
        for label, count in statistics.labels.most_common()
    ]
    return _section("Labels", "Rows by label.", rows)


def _confidence(statistics: Statistics, palette: Mapping[str, str]) -> str:
    bins: dict[int, Counter[str]] = {}
    for (number, label), count in statistics.confidence.items():
        bins.setdefault(number, Counter())[label] += count
    first = min(bins)
    shown = {number: bins.get(number, Counter()) for number in range(first, CONFIDENCE_BINS)}
    most = max(counts.total() for counts in shown.values())
    rows = [
        [
            f"{number / CONFIDENCE_BINS:.2f} to {(number + 1) / CONFIDENCE_BINS:.2f}",
            _share(counts.total(), statistics.rows),
            _bar(counts, most, palette),
        ]
        for number, counts in shown.items()
    ]
    return _section("Confidence", "Rows by the score of their label.", rows)


def _lengths(statistics: Statistics) -> str:
    most = max(statistics.lengths.values())
    rows = [
        [f"up to {length:,}", _share(count, statistics.rows), _bar({"": count}, most, {})]
        for length, count in sorted(statistics.lengths.items())
    ]
    return _section("Length", "Rows by the number of tokens.", rows)


def _trend(statistics: Statistics, palette: Mapping[str, str]) -> str:
    days = sorted(statistics.days)
    # Characters of an ISO date: periods are days, months or years, so that there are not too many.
    span = (days[-1][0] - days[0][0]).days if days else 0
    characters = 10 if span <= 62 else 7 if span <= 3 * 366 else 4
    periods: dict[str, Counter[str]] = {}
    for day, label in days:
        period = periods.setdefault(day.isoformat()[:characters], Counter())
        period[label] += statistics.days[day, label]
    rows = [[name, f"{c.total():,}", _bar(c, c.total(), palette)] for name, c in periods.items()]
    note = f"Shares of the labels by {escape(statistics.time or '')}. "
    if statistics.undated:
        note += f"{statistics.undated:,} rows have no date in ISO 8601. "
    return _section("Trend", note + _legend(palette), rows)


def _groups(name: str, groups: Mapping[str, Counter[str]], palette: Mapping[str, str]) -> str:
    largest = sorted(groups.items(), key=lambda item: -item[1].total())
    others = sum((counts for _, counts in largest[MOST_ROWS:]), Counter[str]())
    shown = [(escape(value) or "(empty)", counts) for value, counts in largest[:MOST_ROWS]]
    if others:
        shown.append((f"({len(largest) - MOST_ROWS:,} others)", others))
    rows = [[value, f"{c.total():,}", _bar(c, c.total(), palette)] for value, c in shown]
    return _section(f"By {name}", "Shares of the labels. " + _legend(palette), rows)


def _examples(heading: str, examples: Iterable[Example], palette: Mapping[str, str]) -> str:
    """A table of a text, its label if that is in the palette, and its score per row."""
    cells = "\n".join(
        f'<tr><th scope="row">{escape(_shortened(e.text))}</th>'
        + (f'<td class="label">{_key(e.label, palette)}</td>' if palette else "")
        + f'<td class="number">{e.score:.3f}</td></tr>'
        for e in examples
    )
    return f'<h2>{escape(heading)}</h2>\n<table class="examples">\n{cells}\n</table>'


def _section(heading: str, note: str, rows: Iterable[Sequence[str]]) -> str:
    """A table of a name, a number and a bar per row; `note` and the cells are HTML."""
    cells = "\n".join(
        f'<tr><th scope="row">{name}</th><td class="number">{number}</td>'
        f'<td class="bar">{bar}</td></tr>'
        for name, number, bar in rows
    )
    return f"<h2>{escape(heading)}</h2>\n<table>\n<caption>{note}</caption>\n{cells}\n</table>"


def _bar(counts: Mapping[str, int], most: int, palette: Mapping[str, str]) -> str:
    """A stacked bar, whose full width is `most`; a pointer on a part shows its label and share."""
    rectangles, left, total = [], 0.0, sum(counts.values())
    for label in sorted(counts):
        width = 100 * counts[label] / (most or 1)
        colour = palette.get(label, _COLOURS[-1])
        number = _share(counts[label], total) if len(counts) > 1 else f"{counts[label]:,}"
        title = f"{escape(label)} {number}".strip()
        rectangles.append(
            f'<rect x="{left:.3f}" width="{width:.3f}" height="10" fill="{colour}">'
            f"<title>{title}</title></rect>"
        )
        left += width
    return (
        '<svg viewBox="0 0 100 10" height="16" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(rectangles)}</svg>"
    )


def _key(label: str, palette: Mapping[str, str]) -> str:
    # An attribute of SVG rather than a style, which a label could not reach either.
    return (
        f'<svg class="key" viewBox="0 0 1 1"><rect width="1" height="1" fill="{palette[label]}"/>'
        f"</svg>{escape(label)}"
    )


def _legend(palette: Mapping[str, str]) -> str:
    return " &ensp;".join(_key(label, palette) for label in palette)


def _share(count: int, rows: int) -> str:
    return f"{count:,} ({count / rows:.1%})"


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
