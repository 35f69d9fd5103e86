"""The options of a session, checked: a wrong one is named, with what would be right."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

from spanheap import _core
from spanheap.detection.policy import LeakPolicy
from spanheap.dumps.policy import DumpPolicy, check_signal

if TYPE_CHECKING:
    from spanheap.server.policy import DebugServer

SAMPLE_INTERVALS = 1, 1 << 40


def check_number(name: str, value: Any, low: float, high: float, *, whole: bool = True) -> Any:
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TypeError(f"{name} must be {'a whole number' if whole else 'a number'}, not {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be between {low:,} and {high:,}, not {value!r}")
    return value


@dataclass(frozen=True)
class Options:
    """See `spanheap.profile`, which documents each."""

    sample_interval: int = 512 * 1024
    max_depth: int = 64
    max_samples: int = 8192
    adaptive: bool = True
    seed: int | None = None
    span_capacity: int = 16384
    span_ttl: float = 300.0
    tracer_provider: Any = None
    meter_provider: Any = None
    logger_provider: Any = None
    tick: float | None = 1.0
    detect: LeakPolicy | None = field(default_factory=LeakPolicy)
    dumps: DumpPolicy | None = field(default_factory=DumpPolicy)
    recorder: str | os.PathLike[str] | None = None
    debug_server: str | DebugServer | None = None   # a DebugServer, once checked
    pause_budget_ms: float = 50
    label_metrics: Sequence[str] = ()
    propagate_to_threads: bool = False
    profiles_endpoint: str | None = None
    profiles_interval: float = 60.0
    enabled: bool = True
    toggle_signal: int | None = None

    RANGES: ClassVar[dict[str, tuple[float, float]]] = {
        "sample_interval": SAMPLE_INTERVALS, "max_depth": (1, _core.MAX_DEPTH), "max_samples": (16, 1 << 24),
        "seed": (0, (1 << 64) - 1), "span_capacity": (1, 1 << 22),
        "span_ttl": (0.001, 3_283_200),   # as SpanRing, see docs/ring.md
        "tick": (0.01, 3600), "pause_budget_ms": (0, 60_000), "profiles_interval": (0.05, 86_400),
    }

    def checked(self) -> Options:
        """These options, with the seed drawn. Raises TypeError or ValueError, SpanheapError where a package is missing."""
        for option in fields(self):
            value = getattr(self, option.name)
            if option.name in self.RANGES and not (value is None and "None" in str(option.type)):
                check_number(option.name, value, *self.RANGES[option.name], whole="int" in str(option.type))
        for name in ("adaptive", "propagate_to_threads", "enabled"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be True or False, not {getattr(self, name)!r}")
        if self.profiles_endpoint is not None:
            from spanheap.otlp import messages, settings  # only who asks pays for the imports

            if self.profiles_endpoint != "":   # else as the variables of OTLP say
                settings.endpoint_parts(self.profiles_endpoint, "profiles_endpoint")
            messages.Messages()
        if isinstance(self.label_metrics, str) or not all(isinstance(key, str) for key in self.label_metrics):
            raise TypeError(f"label_metrics must be a sequence of label keys, not {self.label_metrics!r}")
        for name, kind in (("detect", LeakPolicy), ("dumps", DumpPolicy)):
            if not isinstance(getattr(self, name), (kind, type(None))):
                raise TypeError(f"{name} must be a {kind.__name__} or None, not {getattr(self, name)!r}")
        for name, method in (("tracer_provider", "get_tracer"), ("meter_provider", "get_meter"),
                             ("logger_provider", "get_logger")):
            given = getattr(self, name)
            several = given if name == "tracer_provider" and isinstance(given, (list, tuple)) and given else (given,)
            for provider in several:
                if given is not None and not callable(getattr(provider, method, None)):
                    raise TypeError(f"{name} must be None or have {method}(), which {provider!r} has not")
        if self.recorder is not None:
            if not isinstance(self.recorder, (str, os.PathLike)):
                raise TypeError(f"recorder must be None or the path of a file, not {self.recorder!r}")
            path = os.fsdecode(self.recorder)
            if not path or path.endswith("/") or "\0" in path:
                raise ValueError(f"recorder must be None or the path of a file, not {self.recorder!r}")
        debug_server = self.debug_server
        if debug_server is not None:
            from spanheap.server.policy import policy_of  # only who asks pays for the import

            debug_server = policy_of(debug_server)
        if self.toggle_signal is not None:
            check_signal("toggle_signal=…", self.toggle_signal)
            if self.dumps is not None and self.dumps.signal == self.toggle_signal:
                raise ValueError(f"toggle_signal must be another signal than the DumpPolicy's, not {self.toggle_signal!r}")
        seed = self.seed if self.seed is not None else int.from_bytes(os.urandom(8), "little")
        return replace(self, seed=seed, label_metrics=tuple(self.label_metrics), debug_server=debug_server)
