"""The commands of the Makefile: install, archive, serve, stop."""

from scripts.silence import silence

silence()
