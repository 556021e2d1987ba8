"""What the Makefile calls: install, archive, serve, stop."""

from scripts.silence import silence

silence()
