"""Lets `python -m olivine` do what the command `olivine` does."""

import sys

from olivine.cli import main

sys.exit(main())
