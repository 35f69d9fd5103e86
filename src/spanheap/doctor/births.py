"""Where the objects of the SDK were made: `spanheap doctor` notes it while the program runs.

The constructors are wrapped when the program imports their modules, and not before: a program that never imports the SDK
does not get it from us, and one that sets variables for it first still does so in time. For a process of its own alone:
what is wrapped stays so.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import os
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from types import FrameType, ModuleType
from typing import Any, NamedTuple

from spanheap.snapshot.application import Origin, file_origin

_MADE: dict[str, tuple[str, ...]] = {
    "opentelemetry.sdk.trace": ("TracerProvider",),
    "opentelemetry.sdk.trace.export": ("SimpleSpanProcessor", "BatchSpanProcessor"),
    "opentelemetry.sdk.trace.export.in_memory_span_exporter": ("InMemorySpanExporter",),
    "opentelemetry.sdk.metrics": ("MeterProvider",),
    "opentelemetry.sdk.metrics.export": ("InMemoryMetricReader", "PeriodicExportingMetricReader"),
    "opentelemetry.sdk._logs": ("LoggerProvider",),
    "opentelemetry.sdk._logs.export": (
        "SimpleLogRecordProcessor", "BatchLogRecordProcessor", "InMemoryLogExporter", "InMemoryLogRecordExporter"),
}
# What makes something by name: whose names are many is told with the line that asks for them.
_NAMED: dict[str, tuple[tuple[str, str], ...]] = {
    "opentelemetry.sdk.trace": (("TracerProvider", "get_tracer"),),
    "opentelemetry.sdk.metrics": (
        ("MeterProvider", "get_meter"), ("Meter", "create_counter"), ("Meter", "create_up_down_counter"),
        ("Meter", "create_histogram"), ("Meter", "create_gauge"), ("Meter", "create_observable_counter"),
        ("Meter", "create_observable_up_down_counter"), ("Meter", "create_observable_gauge")),
}
_KEPT = 64         # providers held to the end: those of a function that has returned are looked at as well
_PLACES = 1024     # of each kind
_NAMES = 10_000    # of each place


class _Birth(NamedTuple):
    ref: weakref.ref[Any]
    place: str


class Births:
    """Notes where objects are made, until the process ends."""

    def __init__(self) -> None:
        self._lock = threading.RLock()   # again, where the death of an object comes in between
        self._births: dict[int, _Birth] = {}
        self._names: dict[str, dict[str, set[str]]] = {}
        self._wrapped: set[str] = set()
        self._forks: dict[int, int] = {}
        self.providers: list[Any] = []
        """The first _KEPT providers of each kind together."""
        self.shut_down: set[int] = set()
        """Addresses of the providers among these that were shut down."""

    def install(self) -> None:
        """From now on. Modules that were imported before are wrapped at once."""
        sys.meta_path.insert(0, _Finder(self))
        os.register_at_fork(after_in_parent=self._forked)
        for name in (*_MADE, *_NAMED):
            if (module := sys.modules.get(name)) is not None:
                self.wrap(name, module)

    # ------------------------------------------------------------ what was noted

    def where(self, o: object) -> str:
        """`made at FILE:LINE in FUNCTION`; "" where that is not known."""
        birth = self._births.get(id(o))
        return f"made at {birth.place}" if birth is not None and birth.ref() is o and birth.place else ""

    def most_names(self, method: str) -> str:
        """The place that has asked `method` for most names; ""."""
        with self._lock:
            places = {place: len(names) for place, names in self._names.get(method, {}).items()}
        return max(places, key=places.__getitem__, default="")

    def names(self, method: str) -> set[str]:
        """That `method` was asked for, wherever."""
        with self._lock:
            return set().union(*self._names.get(method, {}).values())

    def forks(self, o: object) -> int:
        """How often this process was forked while this object was there."""
        birth = self._births.get(id(o))
        return self._forks.get(id(o), 0) if birth is not None and birth.ref() is o else 0

    # ------------------------------------------------------------ noting

    def note(self, o: Any, class_name: str) -> None:
        place = _place()
        with self._lock:
            if (known := self._births.get(id(o))) is not None and known.ref() is o:
                return   # a subclass called its base
            self._forks.pop(id(o), None)
            try:
                self._births[id(o)] = _Birth(weakref.ref(o, functools.partial(self._dead, id(o))), place)
            except TypeError:
                return
            if class_name.endswith("Provider") and len(self.providers) < _KEPT:
                self.providers.append(o)

    def note_name(self, method: str, name: object) -> None:
        place = _place()
        with self._lock:
            places = self._names.setdefault(method, {})
            if place in places or len(places) < _PLACES:
                names = places.setdefault(place, set())
                if len(names) < _NAMES:
                    names.add(str(name))

    def _dead(self, address: int, ref: weakref.ref[Any]) -> None:
        with self._lock:
            if (birth := self._births.get(address)) is not None and birth.ref is ref:
                del self._births[address]

    def _forked(self) -> None:
        with self._lock:
            for address in self._births:
                self._forks[address] = self._forks.get(address, 0) + 1

    # ------------------------------------------------------------ wrapping

    def wrap(self, name: str, module: ModuleType) -> None:
        if name in self._wrapped:
            return
        self._wrapped.add(name)
        for class_name in _MADE.get(name, ()):
            cls = getattr(module, class_name, None)   # of another version of the SDK
            if isinstance(cls, type):
                self._wrap(cls, "__init__", lambda o, result, args, kwargs, n=class_name: self.note(o, n))
                if class_name.endswith("Provider"):
                    self._wrap(cls, "shutdown", lambda o, result, args, kwargs: self.shut_down.add(id(o)))
        for class_name, method in _NAMED.get(name, ()):
            cls = getattr(module, class_name, None)
            if isinstance(cls, type):
                self._wrap(cls, method, functools.partial(self._named, method))

    def _named(self, method: str, o: Any, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.note_name(method, args[0] if args else next(iter(kwargs.values()), ""))
        if method.startswith("create_"):
            self.note(result, "instrument")

    @staticmethod
    def _wrap(cls: type, method: str, after: Callable[..., None]) -> None:
        function = vars(cls).get(method)
        if not callable(function):
            return

        @functools.wraps(function)
        def noting(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            result = function(self, *args, **kwargs)
            after(self, result, args, kwargs)
            return result

        setattr(cls, method, noting)


def _place() -> str:
    """Of the innermost frame that is the application's; else of a library that is not OpenTelemetry's; ""."""
    frame: FrameType | None = sys._getframe(1)
    of_package = ""
    while frame is not None:
        origin = file_origin(frame.f_code.co_filename)
        if origin in (Origin.APPLICATION, Origin.PACKAGE):
            place = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
            if origin is Origin.APPLICATION:
                return place
            of_package = of_package or place
        frame = frame.f_back
    return of_package


class _Finder(importlib.abc.MetaPathFinder):
    """Finds what the others find, and has it wrapped when it was run."""

    def __init__(self, births: Births) -> None:
        self._births = births

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in _MADE and name not in _NAMED:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None and finder is not self else None
            if spec is not None:
                run = getattr(spec.loader, "exec_module", None)
                if run is not None:
                    # On this loader, which is this module's alone.
                    spec.loader.exec_module = functools.partial(self._run, run, name)
                return spec  # type: ignore[no-any-return]
        return None

    def _run(self, run: Callable[[ModuleType], None], name: str, module: ModuleType) -> None:
        run(module)
        self._births.wrap(name, module)
