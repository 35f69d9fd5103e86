"""`python -m spanheap`."""

from __future__ import annotations

from spanheap.cli import main

raise SystemExit(main())
