"""See the package."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from deploy.generate import alerts, dashboard
from deploy.generate.rendering import HEADER, yaml

FOLDER = Path(__file__).parents[1]
RULES = "spanheap-alerts.yml"


def files() -> dict[Path, str]:
    """What is generated, by path."""
    return {
        FOLDER / "grafana" / "spanheap.json": json.dumps(dashboard.dashboard(), indent=1, ensure_ascii=False) + "\n",
        FOLDER / "prometheus" / RULES: HEADER + yaml(alerts.rules()),
        FOLDER / "prometheus" / "spanheap-alerts-test.yml": HEADER + yaml(alerts.unit_tests(RULES)),
    }


def main() -> int:
    """0 when what is there is what is generated, or was written."""
    parser = argparse.ArgumentParser(prog="python -m deploy.generate", description="Write dashboard and alert rules.")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if something would change")
    check = parser.parse_args().check
    stale = [(path, text) for path, text in files().items() if not path.exists() or path.read_text() != text]
    for path, text in stale:
        if check:
            print(f"{path} is not what python -m deploy.generate writes", file=sys.stderr)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
