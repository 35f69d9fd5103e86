"""Tests the wheel with the oldest supported OpenTelemetry SDK, a middle one and the latest, each in its own environment.

    python -m tests.sdk [VERSION ...]      # from the root of the source tree; `make test-sdks`
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "sdks"
LATEST = "latest"
MIDDLE = "1.36"   # half way, and from before processors were told of spans that are ending (1.40)
TESTS = (
    "tests/sdk", "tests/integration/test_attribution.py", "tests/integration/test_naming_sampler.py",
    "tests/integration/test_metrics.py", "tests/integration/throttle", "tests/integration/retained",
    "tests/integration/telemetry", "tests/unit/telemetry",
    "tests/integration/doctor/test_checks.py",
)


class NotInstalled(Exception):
    """The package index does not have it, or there is none in reach."""


def oldest() -> str:
    """The version that the package asks for at least."""
    [version] = re.findall(r'"opentelemetry-sdk>=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    return str(version)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it in the source tree, and keep what it says."""
    return subprocess.run(
        [*map(str, command)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def build_wheel() -> Path:
    """The wheel of this source tree, for this interpreter."""
    folder = BUILD / f"wheel-{sys.implementation.cache_tag}"
    for old in folder.glob("*.whl"):
        old.unlink()
    done = run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    if done.returncode:
        sys.exit(f"the wheel cannot be built:\n{done.stdout}")
    [wheel] = folder.glob("*.whl")
    return wheel


def install(version: str, wheel: Path) -> Path:
    """The interpreter of an environment with this SDK, the wheel and pytest. Raises NotInstalled."""
    folder = BUILD / f"{version}-{sys.implementation.cache_tag}"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True, clear=True)
    newest = version == LATEST
    packages = [f"opentelemetry-{name}" + ("" if newest else f"=={version}.*") for name in ("api", "sdk")]
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    for arguments in (
        (*(["--upgrade"] if newest else []), *packages, "pytest>=9", wheel),
        ("--no-deps", "--force-reinstall", wheel),   # the version is that of the last build
    ):
        done = run(*pip, *arguments)
        if done.returncode:
            errors = [line for line in done.stdout.splitlines() if line.startswith("ERROR")] or ["pip gave no reason"]
            raise NotInstalled(errors[-1])
    return python


def main() -> int:
    """Test each version; 0 when all that could be installed, at least one, are fine."""
    parser = argparse.ArgumentParser(prog="python -m tests.sdk", description=__doc__.splitlines()[0])
    parser.add_argument("versions", nargs="*", default=[oldest(), MIDDLE, LATEST], metavar="VERSION",
                        help=f"such as 1.30, or {LATEST} (default: {oldest()} {MIDDLE} {LATEST})")
    versions = parser.parse_args().versions
    wheel = build_wheel()
    skipped: dict[str, str] = {}
    failed: list[str] = []
    for version in versions:
        try:
            python = install(version, wheel)
        except NotInstalled as error:
            skipped[version] = str(error)
            continue
        found = run(python, "-c", "from opentelemetry.sdk.version import __version__; print(__version__)").stdout.strip()
        print(f"==> OpenTelemetry SDK {found} on CPython {sys.version.split()[0]}", flush=True)
        command = [python, "-m", "pytest", "-p", "no:cacheprovider", *TESTS]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(found)
    for version, reason in skipped.items():
        print(f"SKIPPED: OpenTelemetry SDK {version} is not tested here, it cannot be installed: {reason}", file=sys.stderr)
    if failed:
        print(f"failed with OpenTelemetry SDK {', '.join(failed)}", file=sys.stderr)
    if len(skipped) == len(versions):
        print("failed: no OpenTelemetry SDK could be tested", file=sys.stderr)
    return int(bool(failed) or len(skipped) == len(versions))


if __name__ == "__main__":
    sys.exit(main())
