"""`python -m engine.refdocs`."""

from __future__ import annotations

import sys

from engine import refdocs

sys.exit(refdocs.main())
