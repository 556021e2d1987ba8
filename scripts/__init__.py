"""What the Makefile calls: install, archive, serve, stop."""
