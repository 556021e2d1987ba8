"""Compare this service with other servers of the same model: see RESULTS.md."""

from scripts.silence import silence

silence()
