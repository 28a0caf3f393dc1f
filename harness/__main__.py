"""`python -m harness`: the command line, from wherever this package is imported."""

from __future__ import annotations

import sys

from harness.cli import main

sys.exit(main())
