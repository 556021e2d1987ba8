"""The plots of the report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.load.loads import Load, count
from benchmarks.report.summary import summarize
from benchmarks.results import Results
from benchmarks.servers import BY_NAME, LIMIT

# Okabe and Ito's colours for colour-blind readers; lines also differ by marker.
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#999999", "#F0E442")
MARKERS = "os^vDPX*"
OURS = {"service": "#D55E00", "mosec-engine": "#000000", LIMIT: "#000000"}


def draw(results: Results, output: Path) -> None:
    """Write throughput.png and latency.png to `output`, each if there are measurements for it."""
    import matplotlib

    matplotlib.use("Agg")
    closed = [load for load in results.loads if load.connections]
    kinds = list(dict.fromkeys((load.corpus, load.texts) for load in closed))
    panels = [
        (
            f"{corpus}, {count(texts, 'text')} per request",
            [load for load in closed if (load.corpus, load.texts) == (corpus, texts)],
            "texts_per_second",
        )
        for corpus, texts in kinds
    ]
    # A single concurrency is only a point.
    panels = [panel for panel in panels if len(panel[1]) > 1] or panels[:1]
    if panels:
        _draw_panels(results, panels, "connections", "texts per second", output / "throughput.png")
    rated = [load for load in results.loads if load.rate]
    corpora = list(dict.fromkeys(load.corpus for load in rated))
    panels = [
        (f"{corpus}, {name}", [load for load in rated if load.corpus == corpus], name)
        for corpus in corpora
        for name in ("p50", "p95", "p99")
    ]
    if panels:
        _draw_panels(results, panels, "requests per second", "milliseconds", output / "latency.png")


def _draw_panels(
    results: Results,
    panels: Sequence[tuple[str, Sequence[Load], str]],
    xlabel: str,
    ylabel: str,
    path: Path,
) -> None:
    from matplotlib import pyplot, ticker

    columns = min(len(panels), 3 if path.stem == "latency" else 2)
    rows = -(-len(panels) // columns)
    figure, grid = pyplot.subplots(
        rows,
        columns,
        figsize=(max(4.2 * columns, 8.4), 3.6 * rows + 0.9),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    lines: dict[str, Any] = {}
    for axes, (title, loads, metric) in zip(grid.flat, panels, strict=False):
        for index, name in enumerate(results.servers):
            points = [
                (load.connections or load.rate, getattr(summary, metric))
                for load in loads
                if (summary := summarize(results, name, load)) and not summary.saturated
            ]
            points = [(x, y) for x, y in points if y]
            if points:
                server = BY_NAME[name]
                (line,) = axes.plot(*zip(*points, strict=True), **_style(name, index))
                lines[f"{server.number} {server.title}"] = line
        axes.set(title=title, xscale="log", yscale="log", xlabel=xlabel)
        axes.set_xticks(sorted({load.connections or load.rate for load in loads}))
        axes.xaxis.set_minor_locator(ticker.NullLocator())
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axes.grid(color="0.9")
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_ylabel(ylabel)
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=4, fontsize=8)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _style(name: str, index: int) -> dict[str, Any]:
    ours = name in OURS
    return {
        "color": OURS.get(name, COLOURS[index % len(COLOURS)]),
        "marker": None if name == LIMIT else MARKERS[index % len(MARKERS)],
        "linestyle": {LIMIT: ":", "mosec-engine": "--"}.get(name, "-"),
        "linewidth": 2.4 if name == "service" else 1.4,
        "markersize": 5,
        "zorder": 3 if ours else 2,
    }
