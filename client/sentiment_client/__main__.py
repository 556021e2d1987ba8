"""`python -m sentiment_client` is the `sentiment` command."""

import sys

from sentiment_client.cli import main

sys.exit(main())
