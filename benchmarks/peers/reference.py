"""The reference: reads texts as a JSON list, writes the fp32 pipeline's label and score of each."""

import json
import sys

from benchmarks.peers.checkpoint import load_pipeline

if __name__ == "__main__":
    json.dump(load_pipeline()(json.load(sys.stdin)), sys.stdout)
