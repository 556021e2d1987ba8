"""The progress bar over the trials, and their measurements."""

import sys
from typing import Any

from tqdm import tqdm

from scripts.failure import Failure
from tuning.measurement import FAILED, Measurement
from tuning.search import Measure
from tuning.settings import Candidate
from tuning.target import Target

# Fits a terminal of 80 columns.
BAR_FORMAT = "{desc} |{bar}| {n_fmt}/{total_fmt} {elapsed}<{remaining}{postfix}"


class Progress:
    """Calls `measure`, shows the best result so far in `bar`, and keeps all results in `trials`."""

    def __init__(self, measure: Measure, target: Target, bar: "tqdm[Any]") -> None:
        self.trials: list[tuple[Candidate, Measurement]] = []
        self._measure = measure
        self._target = target
        self._bar = bar

    def __call__(self, candidate: Candidate) -> Measurement:
        """Measure a candidate; one that fails to serve counts as the worst.

        Raises Failure if the first one fails: it has the current settings, the basis of comparison.
        """
        self._bar.set_description(str(candidate))
        try:
            measurement = self._measure(candidate)
        except Failure as failure:
            if not self.trials:
                raise
            tqdm.write(f"{candidate}: {failure}", file=sys.stderr)
            measurement = FAILED
        self.trials.append((candidate, measurement))
        best = max((measurement for _, measurement in self.trials), key=self._target.merit)
        self._bar.set_postfix_str(self._summary(best))
        self._bar.update()
        return measurement

    def _summary(self, best: Measurement) -> str:
        if self._target.holds(best):
            return f"best {best.texts_per_second:.0f} texts/s"
        return "no answers" if best.p99 is None else f"best p99 {best.p99:.1f} ms"
