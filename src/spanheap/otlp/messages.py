"""opentelemetry-proto's messages of the profiles signal, if they are the ones that this is written for.

The signal is in development: messages change between versions under the same name. What is used is looked for before
anything is sent, so that a version that does not fit is an error that says so, and not a profile that nobody can read.
"""

from __future__ import annotations

from typing import Any

from spanheap.errors import SpanheapError

_INSTALL = "pip install 'spanheap[otlp]'"

# message -> the fields that are written; in opentelemetry-proto since 1.40.
_FIELDS = {
    "ProfilesDictionary": (
        "mapping_table", "location_table", "function_table", "link_table", "string_table", "attribute_table", "stack_table"),
    "Profile": ("sample_type", "samples", "time_unix_nano", "duration_nano", "period_type", "period", "profile_id"),
    "Sample": ("stack_index", "attribute_indices", "link_index", "values"),
    "Stack": ("location_indices",),
    "Location": ("lines", "attribute_indices"),
    "Line": ("function_index", "line"),
    "Function": ("name_strindex", "filename_strindex"),
    "Link": ("trace_id", "span_id"),
    "ValueType": ("type_strindex", "unit_strindex"),
    "KeyValueAndUnit": ("key_strindex", "value", "unit_strindex"),
}


class ProfilesUnavailable(SpanheapError):
    """opentelemetry-proto is not installed, or not in a version that fits; the message says what to install."""


class Messages:
    """The modules that protoc has generated."""

    def __init__(self) -> None:
        """Import them. Raises ProfilesUnavailable."""
        try:
            from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2
            from opentelemetry.proto.common.v1 import common_pb2
            from opentelemetry.proto.profiles.v1development import profiles_pb2
        except ImportError as error:
            raise ProfilesUnavailable(
                f"exporting profiles needs opentelemetry-proto 1.40 or later ({error}): {_INSTALL}") from None
        except Exception as error:   # generated for another protobuf than the one that is installed
            raise ProfilesUnavailable(
                f"opentelemetry-proto cannot be imported ({type(error).__name__}: {error}): {_INSTALL}") from None
        self.profiles: Any = profiles_pb2
        self.common: Any = common_pb2
        self.service: Any = profiles_service_pb2
        missing = self._missing()
        if missing:
            raise ProfilesUnavailable(
                f"opentelemetry-proto {_version()} has other messages for profiles than this version of spanheap writes "
                f"({', '.join(missing[:3])} missing); 1.40 and 1.45 are known to fit: {_INSTALL}")

    def _missing(self) -> list[str]:
        missing = []
        for name, fields in _FIELDS.items():
            descriptor = getattr(getattr(self.profiles, name, None), "DESCRIPTOR", None)
            if descriptor is None:
                missing.append(name)
            else:
                missing += [f"{name}.{field}" for field in fields if field not in descriptor.fields_by_name]
        return missing


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("opentelemetry-proto")
    except metadata.PackageNotFoundError:
        return "(of an unknown version)"
