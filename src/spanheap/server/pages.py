"""The debug server's pages for people: plain HTML without scripts, light and dark. All text is escaped here."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

from spanheap.server.answer import HTML, Answer

CSS = """
:root{color-scheme:light dark}
body{--line:color-mix(in srgb,currentColor 18%,transparent);--dim:color-mix(in srgb,currentColor 62%,transparent)}
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:1.8rem 0 .4rem}p{margin:.3rem 0;color:var(--dim)}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--dim)}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
a code{white-space:nowrap}
.leak{border-left:4px solid #c33;padding-left:.8rem;margin:.6rem 0;color:inherit}
"""


class Code(str):
    """Set as code."""


class Link(str):
    """A path of this server's, shown as a link to it."""


def page(title: str, *parts: str) -> Answer:
    body = "\n".join(parts)
    return Answer(f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
                  f"<title>{html.escape(title)}</title><style>{CSS}</style><body>\n<h1>{html.escape(title)}</h1>\n{body}\n"
                  f"</body></html>\n".encode(), HTML)


def paragraph(text: str, css: str = "") -> str:
    return f'<p{f""" class="{css}" """ if css else ""}>{_cell(text)}</p>'


def heading(text: str) -> str:
    return f"<h2>{html.escape(text)}</h2>"


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, nothing: str = "nothing") -> str:
    """Columns that begin with # have figures."""
    classes = [' class="n"' if column.startswith("#") else "" for column in columns]
    lines = ["".join(f"<td{c}>{_cell(value)}</td>" for value, c in zip(row, classes, strict=True)) for row in rows]
    if not lines:
        return paragraph(nothing)
    names = (html.escape(column.removeprefix("#")) for column in columns)
    head = "".join(f"<th{c}>{name}</th>" for name, c in zip(names, classes, strict=True))
    return f"<table><tr>{head}</tr>\n" + "\n".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _cell(value: Any) -> str:
    text = html.escape(str(value))
    if isinstance(value, Link):
        return f'<a href="{text}"><code>{text}</code></a>'
    return f"<code>{text}</code>" if isinstance(value, Code) else text


def size(value: float) -> str:
    """Bytes in the largest unit that leaves a figure before the point."""
    for unit in ("B", "KiB", "MiB"):
        if abs(value) < 1024:
            return f"{value:,.0f} B" if unit == "B" else f"{value:,.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} GiB"


def duration(seconds: float) -> str:
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


# ---------------------------------------------------------------- the pages

PATHS = (
    ("/debug/pprof/", "profiles, as Go's net/http/pprof has them"),
    ("/debug/pprof/heap", "the heap in use: go tool pprof http://…/debug/pprof/heap; ?gc=1 collects garbage first, "
                          "?seconds=30 what changes within 30 s, ?debug=1 text"),
    ("/debug/pprof/allocs", "the same, shown by what was allocated"),
    ("/debug/leaks", "what grows and is not given back"),
    ("/debug/spans", "active, recent, retained and unended spans; ?n=, ?trace_id="),
    ("/debug/stats", "the profiler's own figures, JSON"),
    ("/debug/top", "what `spanheap top` shows, JSON"),
    ("/metrics", "for Prometheus, where the application has its exporter"),
)


def index(document: dict[str, Any]) -> Answer:
    who, memory, heap = document["process"], document["memory"], document["heap"]
    limit = f" of {size(memory['limit_bytes'])}" if memory["limit_bytes"] else ""
    return page(
        f"spanheap: {who['service'] or who['program']}, process {who['pid']}",
        paragraph(f"spanheap {who['spanheap']}, Python {who['python']}, profiled for {duration(who['profiled_s'])}"),
        *(paragraph(found["text"], "leak") for found in document["leaks"]),
        heading("Now"),
        table(("", "#"), (
            ("resident set", size(memory["rss_bytes"]) + limit), ("live Python heap", size(heap["live_bytes"])),
            ("live objects", f"{heap['live_objects']:,.0f}"), ("samples", f"{heap['samples']:,}"),
            ("active spans", f"{document['spans']['active']:,}"), ("ended spans", f"{document['spans']['ended']:,}"),
        )),
        heading("Live memory by line"),
        table(("#live", "#samples", "line", "endpoint"), (
            (size(row["live_bytes"]), row["samples"], Code(row["line"]), row["root_name"]) for row in document["lines"])),
        heading("Paths"),
        table(("path", "what"), ((Link(path), what) for path, what in PATHS)),
        paragraph("POST, with the header X-Spanheap: /debug/dump writes a dump and answers with its path; /debug/configure "
                  'takes {"sample_interval": bytes, "enabled": true or false}'),
    )


def pprof_index(samples: int) -> Answer:
    return page("/debug/pprof/", table(("#count", "profile", "as text", "what"), (
        (samples, Link("/debug/pprof/heap"), Link("/debug/pprof/heap?debug=1"), "live objects, sampled"),
        (samples, Link("/debug/pprof/allocs"), Link("/debug/pprof/allocs?debug=1"), "all since the start, sampled"),
    )))


def leaks(document: dict[str, Any]) -> Answer:
    parts = []
    for found in document["leaks"]:
        parts += [paragraph(found["text"], "leak"), paragraph(found["reason"]),
                  table(("frame",), ((Code(f"{f['function']} ({f['filename']}:{f['line']})"),) for f in found["stack"]),
                        nothing="no stack is known")]
    return page("/debug/leaks", *(parts or [paragraph("Nothing grows without being given back, as far as is known now.")]))


def spans(document: dict[str, Any]) -> Answer:
    def trace(trace_id: str) -> Link:
        return Link(f"/debug/spans?trace_id={trace_id}")

    parts = []
    if "active" in document:
        parts += [heading("Active, oldest first"), table(("#age", "span", "endpoint", "trace"), (
            (duration(s["age_s"]), s["name"], s["root_name"], trace(s["trace_id"])) for s in document["active"]))]
    for key, title in (("recent", "Ended, last first"), ("ended", "Ended")):
        if key in document:
            parts += [heading(title), table(("#duration", "span", "", "trace"), (
                (duration(s["duration_ns"] / 1e9), s["name"], "error" if s["error"] else "", trace(s["trace_id"]))
                for s in document[key]))]
    for key, title in (("retained", "Ended, and still referred to"), ("unended", "Started long ago, and not ended")):
        if key in document:
            parts += [heading(title), table(("#spans", "#bytes", "#oldest", "span", "endpoint"), (
                (f"{s['spans']:,.0f}", size(s["bytes"]), duration(s["oldest_age_s"]), s["name"], s["root_name"])
                for s in document[key]))]
    return page("/debug/spans", *parts)
