"""The bar over the trials, and what was found in them."""

import sys
from typing import Any

from tqdm import tqdm

from scripts.failure import Failure
from tuning.measurement import NONE, Figures
from tuning.search import Measure
from tuning.settings import Candidate
from tuning.target import Target

# Short enough for a terminal of 80 columns.
FORM = "{desc} |{bar}| {n_fmt}/{total_fmt} {elapsed}<{remaining}{postfix}"


class Progress:
    """Measures with `measure`, shows it in `bar`, and keeps it in `tried`."""

    def __init__(self, measure: Measure, target: Target, bar: "tqdm[Any]") -> None:
        self.tried: list[tuple[Candidate, Figures]] = []
        self._measure = measure
        self._target = target
        self._bar = bar

    def __call__(self, candidate: Candidate) -> Figures:
        """Measure; a candidate that cannot be served with has no figures, and the others go on."""
        self._bar.set_description(str(candidate))
        try:
            figures = self._measure(candidate)
        except Failure as failure:
            if not self.tried:
                raise  # the settings as they are: nothing can be compared
            tqdm.write(f"{candidate}: {failure}", file=sys.stderr)
            figures = NONE
        self.tried.append((candidate, figures))
        best = max((each for _, each in self.tried), key=self._target.merit)
        self._bar.set_postfix_str(self._brief(best))
        self._bar.update()
        return figures

    def _brief(self, best: Figures) -> str:
        if self._target.held(best):
            return f"best {best.texts_per_second:.0f} texts/s"
        return "no answers" if best.p99 is None else f"best p99 {best.p99:.1f} ms"
