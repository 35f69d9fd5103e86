"""What spanheap needs of OpenTelemetry, tested with the version that is installed; `python -m tests.sdk` tests several."""
