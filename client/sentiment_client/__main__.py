"""Run the `sentiment` command as `python -m sentiment_client`."""

import sys

from sentiment_client.cli import main

sys.exit(main())
