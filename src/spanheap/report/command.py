"""`spanheap report DUMP|RECORDER` and `spanheap diff OLD NEW`.

Exit status: 0 done; 1 a file could not be read or written; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import sys

_LARGE = 1 << 20   # of a file: reading takes seconds, and one wants to know of what


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    report = commands.add_parser(
        "report", help="one HTML file: who holds the memory, and what grew",
        description="Makes one HTML file, complete in itself, of a heap dump or of a recorder file: the verdict in words, a "
                    "flame graph, the memory over time, and tables by endpoint, span, trace and label; docs/report.md.",
        epilog="exit status: 0 written, 1 a file could not be read or written, 2 wrong usage")
    report.add_argument("file", type=pathlib.Path, metavar="DUMP|RECORDER",
                        help="a dump (.pb.gz), also another tool's pprof heap profile, or a recorder file")
    report.add_argument("-o", "--output", type=pathlib.Path, metavar="OUT",
                        help="the report (default: the name of the file with .html, in this folder)")
    report.add_argument("--baseline", type=pathlib.Path, metavar="OLD",
                        help="an earlier dump of the same process: also what grew since; beside FILE.pb.gz of an automatic "
                             "dump there is FILE.base.pb.gz")
    report.add_argument("--recorder", type=pathlib.Path, metavar="FILE",
                        help="the recorder file of the dump's process: the memory over time is taken from it")
    report.add_argument("--json", action="store_true", help="print what the report says first, and where it is, as JSON")
    report.set_defaults(run=run_report, parser=report)

    diff = commands.add_parser(
        "diff", help="what grew between two dumps", description="Prints what grew between two dumps of a process, by line, "
        "endpoint and span name, with the error of each figure.",
        epilog="exit status: 0 done, 1 a file could not be read, 2 wrong usage")
    diff.add_argument("old", type=pathlib.Path, metavar="OLD", help="the earlier dump")
    diff.add_argument("new", type=pathlib.Path, metavar="NEW", help="the later dump")
    diff.add_argument("--json", action="store_true", help="print everything as JSON")
    diff.set_defaults(run=run_diff)


def run_report(options: argparse.Namespace) -> int:
    from spanheap.errors import SpanheapError

    target = options.output if options.output is not None else pathlib.Path(_stem(options.file.name) + ".html")
    wrong = _unusable(target, options)
    if wrong:
        options.parser.error(wrong)
    from spanheap.report import headline, page, subject, words

    try:
        _progress("report", options.baseline, options.recorder, options.file)
        about = subject.of_file(options.file, options.baseline, options.recorder)
        _step("report", about.path, "laying out")
        content = page.render(about).encode("utf-8", "replace")
        _write(target, content)
    except SpanheapError as error:
        print(f"spanheap report: error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"spanheap report: error: {target}: cannot be written: {error.strerror}: give another place with -o",
              file=sys.stderr)
        return 1
    said = headline.of(about)
    if options.json:
        _print(json.dumps({
            "report": str(target), "sentence": headline.text(said.sentence), "notes": list(map(headline.text, said.notes)),
            "facts": dict(about.facts), "live_bytes": round(about.heap.live_bytes), "rss_bytes": about.heap.rss_bytes,
            "verdicts": [verdict._asdict() for verdict in about.verdicts],
        }, indent=1, allow_nan=False))
    else:
        _print(f"{headline.text(said.sentence)}\n{words.printable(str(target))}")
    return 0


def run_diff(options: argparse.Namespace) -> int:
    from spanheap.errors import SpanheapError
    from spanheap.report import diff, subject

    try:
        _progress("diff", options.old, options.new)
        old, new = subject.heap_dump(options.old), subject.heap_dump(options.new)
    except SpanheapError as error:
        print(f"spanheap diff: error: {error}", file=sys.stderr)
        return 1
    if options.json:
        _print(json.dumps(diff.document(old, new), indent=1, allow_nan=False))
    else:
        _print(diff.text(old, new))
    return 0


def _stem(name: str) -> str:
    for ending in (".pb.gz", ".pprof.gz", ".gz", ".pb", ".pprof", ".rec"):
        if name.endswith(ending) and name != ending:
            return name.removesuffix(ending)
    return name


def _unusable(target: pathlib.Path, options: argparse.Namespace) -> str:
    """Why the report cannot go there; "" if it can, as far as one sees before."""
    if os.path.isdir(target):
        return f"-o {target}: is a folder: give the name of a file in it"
    if not os.path.isdir(target.parent):
        return f"-o {target}: there is no folder {target.parent}"
    for source in (options.file, options.baseline, options.recorder):
        if source is not None and _same(source, target):
            return f"-o {target}: is the file to be read: give another name"
    if options.baseline is not None and _same(options.baseline, options.file):
        return f"--baseline {options.baseline}: is the dump itself: give an earlier one"
    return ""


def _same(a: pathlib.Path, b: pathlib.Path) -> bool:
    return os.path.exists(a) and os.path.exists(b) and os.path.samefile(a, b)


def _write(target: pathlib.Path, content: bytes) -> None:
    """Whole or not at all; for its owner alone, as the dump is. Raises OSError; the target is then as it was."""
    temporary = target.with_name(f".spanheap-{os.urandom(8).hex()}.tmp")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(content)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _progress(command: str, *paths: pathlib.Path | None) -> None:
    for path in paths:
        if path is not None:
            _step(command, path, "reading")


def _step(command: str, path: pathlib.Path, what: str) -> None:
    """On stderr, of large files alone."""
    with contextlib.suppress(OSError):
        size = os.stat(path).st_size
        if size >= _LARGE:
            print(f"spanheap {command}: {what} {path} ({size / 2**20:,.1f} MiB)", file=sys.stderr)


def _print(text: str) -> None:
    """What the terminal's encoding does not have becomes question marks; who stops reading (`| head`) is not an error."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(text.encode(encoding, "replace").decode(encoding), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())   # or the interpreter complains when it flushes it
