"""The names, for `opentelemetry-instrument`, which makes a flag of each: `--spanheap_sample_interval`."""

from __future__ import annotations

from spanheap.instrumentation.variable import VARIABLES

globals().update({variable.name: variable.name for variable in VARIABLES})
