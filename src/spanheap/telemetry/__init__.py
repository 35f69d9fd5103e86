"""spanheap as an OpenTelemetry source."""
