"""Puts the report together: one HTML file with everything in it that it needs, and that asks no network for anything.

Every text of a dump is somebody else's. It reaches the page as escaped text of the verdict, or packed, as JSON that scripts
put into text nodes; and the page's own policy allows no scripts but these, by their hashes, and no requests at all.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import importlib.resources
import json
import re
from typing import Any

from spanheap.report import headline, stacks, tables, words
from spanheap.report.headline import Headline, Sentence
from spanheap.report.subject import Subject
from spanheap.version import __version__

_FOLDER = importlib.resources.files("spanheap.report")
# Whatever fails is in the console, and not an empty page without a word.
_OWN = """"use strict";
(async () => {{
{}
}})().catch((error) => {{
  document.getElementById("flame").textContent = "The graph and the tables could not be drawn by this browser: " + error;
  console.error(error);
}});"""
SCRIPTS = ("data", "tree", "flame", "timeline", "tables", "theme", "main")


def _asset(name: str) -> str:
    return (_FOLDER / "assets" / name).read_text(encoding="utf-8")


def _vendored(name: str) -> str:
    return (_FOLDER / "vendor" / name).read_text(encoding="utf-8")


def libraries() -> list[dict[str, Any]]:
    """Those that are in the page: package, version, licence, files; in the order in which they are loaded."""
    found: list[dict[str, Any]] = json.loads(_vendored("libraries.json"))
    return found


def render(subject: Subject) -> str:
    """The whole page."""
    said, program = headline.of(subject), words.cut(subject.program)
    used = libraries()
    files = [file["as"] for library in used for file in library["files"]]
    scripts = [_vendored(name) for name in files if name.endswith(".js")]
    scripts.append(_OWN.format("\n".join(_asset(f"{name}.js") for name in SCRIPTS)))
    styles = [_vendored(name) for name in files if name.endswith(".css")] + [_asset("report.css")]
    parts = {
        "policy": _policy(scripts),
        "title": html.escape(f"{program} - spanheap report"),
        "styles": "".join(f"<style>{style}</style>\n" for style in styles),
        "program": html.escape(program),
        "when": html.escape(_when(subject)),
        "verdict": _sentence(said.sentence),
        "notes": "".join(f"<li>{_sentence(note)}</li>" for note in said.notes),
        "facts": "".join(f"<dt>{html.escape(key)}</dt><dd>{html.escape(words.cut(value))}</dd>"
                         for key, value in subject.facts),
        "version": html.escape(__version__),
        "licences": _licences(used),
        "data": _embedded(document(subject, said)),
        "scripts": "".join(f"<script>{script}</script>\n" for script in scripts),
    }
    # In one pass: what is filled in is not searched for places to fill in.
    return re.sub(r"<!--\{(\w+)\}-->", lambda match: parts[match[1]], _asset("page.html"))


def document(subject: Subject, said: Headline) -> dict[str, Any]:
    """What the scripts draw from."""
    strings = stacks.Strings()
    heap, growth = subject.heap, subject.growth
    sites = stacks.document(subject, strings)
    modes = [["live", "Live", round(heap.live_bytes)]]
    if growth is not None:
        modes.append(["growth", "Growth", round(growth.live_bytes)])
    if subject.has_allocated:
        modes.append(["allocated", "Allocated", round(heap.allocated_bytes)])
    within = words.duration(subject.seconds_between)
    last = subject.curve[-1] if subject.curve else None
    limit = last.limit_bytes if last is not None else subject.limit_bytes
    figures = [
        ["Live", words.size(heap.live_bytes), "estimated"],
        ["Resident", words.size(heap.rss_bytes), f"of {words.size(limit)}" if limit else ""] if heap.rss_bytes > 0 else None,
        ["Grown", words.size(growth.live_bytes), f"in {within}"] if growth is not None else None,
        ["Objects", f"{heap.live_objects:,.0f}", "live"],
        ["Samples", f"{heap.samples:,}", f"one in {words.size(heap.sample_interval)}" if heap.sample_interval else ""],
    ]
    return {
        "modes": modes, "sites": sites, "strings": list(strings.numbers), "tables": tables.document(subject),
        "figures": [figure for figure in figures if figure],
        "curve": [list(column) for column in zip(*subject.curve, strict=True)] if subject.curve else [],
    }


def _embedded(data: dict[str, Any]) -> str:
    """Compressed: the stacks of 5,000 sites are megabytes. And in an alphabet in which nothing can end the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), 6, mtime=0)).decode()


def _policy(scripts: list[str]) -> str:
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    styles = "'unsafe-inline'"   # d3-flame-graph adds an element of its own
    return f"default-src 'none'; script-src {hashes}; style-src {styles}; img-src data:; base-uri 'none'; form-action 'none'"


def _sentence(sentence: Sentence) -> str:
    said = [(style, html.escape(words.cut(text))) for style, text in sentence]
    return "".join(f"<{style}>{text}</{style}>" if style else text for style, text in said)


def _when(subject: Subject) -> str:
    if subject.death is not None:
        return f"recorded until {words.date(subject.death.time)}"
    since = f", compared with {words.date(subject.baseline.time)}" if subject.baseline is not None else ""
    return f"{words.date(subject.heap.time)}{since}"


def _licences(used: list[dict[str, Any]]) -> str:
    """Each text once, with the libraries that are under it."""
    texts: dict[str, list[str]] = {}
    for library in used:
        name = f"{library['package']} {library['version']} ({library['licence']['name']})"
        texts.setdefault(_vendored(library["licence"]["as"]), []).append(name)
    return "".join(f"<h4>{html.escape(', '.join(names))}</h4><pre>{html.escape(text)}</pre>"
                   for text, names in texts.items())
