"""Whole data sets: read in groups of rows, score, resume, and write. Needs the extra "data"."""
