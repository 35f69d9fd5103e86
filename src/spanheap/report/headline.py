"""The answer, before everything else and in plain words.

    a baseline      what grew since, if it stands out of the noise of sampling
    a verdict       what the detector said when the dump was written
    a recording     how it ended, what it was doing, who held most
    a dump alone    who holds most: nothing can be said of growth

A sentence is a list of (style, text) with the styles "", "code", "strong" and, where nobody need worry, "b".
"""

from __future__ import annotations

import math
from typing import NamedTuple

from spanheap.report import words
from spanheap.report.subject import Subject, Verdict
from spanheap.snapshot import NO_SPAN, HeapSnapshot, SpanUsage
from spanheap.snapshot.usage import line_of, usages

Sentence = list[tuple[str, str]]

STANDS_OUT = 2.0   # standard errors

_KINDS = {
    "leak": "A leak: steady growth, with hard evidence that nothing gives it back.",
    "growing": "Growing for long, with no bound in sight. A cache that is not full yet looks the same: look at its holder.",
    "retained_spans": "Spans that have ended are kept by something.",
    "unended_spans": "Spans that are started and never ended.",
    "native_growth": "The process grows and its Python heap does not: look at C extensions and at the allocator.",
}


class Headline(NamedTuple):
    sentence: Sentence
    notes: list[Sentence]


def of(subject: Subject) -> Headline:
    """What to say of this subject first."""
    if subject.death is not None:
        return _of_recording(subject)
    if subject.growth is not None:
        return _of_growth(subject)
    if subject.verdicts:
        first, *others = subject.verdicts
        return Headline(_of_verdict(first), _about(first) + [[("", "Also: "), *_of_verdict(other)] for other in others])
    found = _of_heap(subject, subject.heap)
    if subject.verdict_text:
        found.notes.insert(0, [("", f"The detector said: {subject.verdict_text}")])
    return found


def text(sentence: Sentence) -> str:
    """For a terminal."""
    return words.printable("".join(f"`{part}`" if style == "code" else part for style, part in sentence))


# ---------------------------------------------------------------- verdicts


def _of_verdict(verdict: Verdict) -> Sentence:
    amount, often = words.rate(verdict.growth_bytes_per_s)
    if verdict.kind == "native_growth":
        return [("", "The process keeps "), ("strong", amount), ("", f" more {often}, and "),
                ("strong", "not in its Python heap"), ("", ".")]
    name = verdict.root_name or verdict.span_name
    said = [*_who(name, capital=True), ("", " keeps "), ("strong", amount), ("", f" more {often}")]
    if verdict.frame is not None:
        said += [("", "; allocated at "), ("code", words.place(verdict.frame))]
    return [*said, *_held_by(verdict.holder), ("", ".")]


def _about(verdict: Verdict) -> list[Sentence]:
    kind = _KINDS.get(verdict.kind, verdict.kind)
    notes: list[Sentence] = [[("", kind), ("", f" The reason: {verdict.reason.rstrip('.')}." if verdict.reason else "")]]
    kept: Sentence = [("strong", words.size(verdict.live_bytes)), ("", " kept so far")]
    if verdict.share_of_growth:
        kept.append(("", f", {verdict.share_of_growth:.0%} of the growth of the heap"))
    if verdict.time_to_limit_s is not None:
        kept += [("", "; the memory limit is reached in "), ("strong", words.duration(verdict.time_to_limit_s))]
    notes.append([*kept, ("", f"; confidence {verdict.confidence:.0%}.")])
    if verdict.holder:
        notes.append([("", "Held by "), ("code", verdict.holder)])
    if verdict.trace_ids:
        notes.append([("", "A trace to look at: "), ("code", verdict.trace_ids[0])])
    return notes


# ---------------------------------------------------------------- growth


def _of_growth(subject: Subject) -> Headline:
    assert subject.growth is not None and subject.baseline is not None
    seconds = subject.seconds_between
    grown = subject.growth.live_bytes
    within = f" within {words.duration(seconds)}" if seconds else ""
    whole: Sentence = [("", f"In all, live memory {_went(grown)}{within}, from {words.size(subject.baseline.live_bytes)} to "
                            f"{words.size(subject.heap.live_bytes)}.")]
    notes = [whole]
    line = next((line for line in subject.growth.by_line() if stands_out(line)), None)
    if line is None:
        sentence: Sentence = [("b", "Nothing grew"), ("", f" by more than the chance of sampling explains{within}.")]
    else:
        sentence = [*_who(line.root_names[0], capital=True), ("", " keeps "), *_amount(line.live_bytes, seconds),
                    ("", "; allocated at "), ("code", _short(line.name))]
        sentence += [*_held_by(_holder(subject, line.name)), ("", ".")]
        share = f", {line.live_bytes / grown:.0%} of all growth" if grown >= line.live_bytes else ""
        notes.insert(0, [("code", line.name), ("", f" grew by {words.size(line.live_bytes)}{error(line)}{share}.")])
    for verdict in subject.verdicts:
        notes += [[("", "The detector said: "), *_of_verdict(verdict)], *_about(verdict)]
    return Headline(sentence, notes)


def _amount(size: float, seconds: float) -> Sentence:
    if seconds <= 0:
        return [("strong", words.size(size)), ("", " more than in the baseline")]
    amount, often = words.rate(size / seconds)
    return [("strong", amount), ("", f" more {often}")]


def _went(size: float) -> str:
    return f"grew by {words.size(size)}" if size >= 0 else f"shrank by {words.size(-size)}"


def stands_out(usage: SpanUsage) -> bool:
    """Grown by more than the chance of sampling explains."""
    noise = math.sqrt(usage.variance) if math.isfinite(usage.variance) else 0.0   # of other tools' dumps it is not known
    return usage.live_bytes > STANDS_OUT * noise


def error(usage: SpanUsage) -> str:
    """" ± 3 %": one standard error; "" where it is not known."""
    return f" ± {usage.relative_error:.0%}" if math.isfinite(usage.relative_error) else ""


# ---------------------------------------------------------------- who holds most


def _of_heap(subject: Subject, heap: HeapSnapshot) -> Headline:
    roots, lines = heap.by_root_name(), heap.by_line()
    live = heap.live_bytes
    if not roots or live <= 0:
        return Headline([("b", "Nothing was live"), ("", " among what was sampled.")], [])
    root, line = roots[0], lines[0]
    if root.name == NO_SPAN and len(roots) > 1 and roots[1].live_bytes > root.live_bytes / 2:
        root = roots[1]   # what the start of a service leaves is outside of all spans, and rarely the question
    theirs = usages((row for row in heap.rows if row.root_span_name == root.name), line_of)
    line = theirs[0] if theirs else line
    sentence: Sentence = [*_who(root.name, capital=True), ("", " holds "), ("strong", words.size(root.live_bytes)),
                          ("", f" of {words.size(live)} live; {_most(line.live_bytes, root.live_bytes)} allocated at "),
                          ("code", _short(line.name))]
    sentence += _held_by(_holder(subject, line.name))
    noise = "" if subject.is_recording else error(line)   # a recording has sums, of samples of unknown sizes
    notes: list[Sentence] = [[("code", line.name), ("", f": {words.size(line.live_bytes)}{noise} for "), *_who(root.name),
                              ("", ".")]]
    if not subject.is_recording:
        notes.append([("", "One dump tells who holds memory, not what grows: give an earlier one with "),
                      ("code", "--baseline OLD"), ("", ".")])
    return Headline([*sentence, ("", ".")], notes)


def _most(part: float, whole: float) -> str:
    share = part / whole if whole > 0 else 0.0
    return "all of it" if share > 0.995 else "most of it" if share > 0.5 else f"{share:.0%} of it"


def _who(name: str, *, capital: bool = False) -> Sentence:
    if not name or name == NO_SPAN:
        return [("", f"{'Code' if capital else 'code'} outside of all spans")]
    return [("code", name)]


def _short(line: str) -> str:
    """`remember (/srv/app/store.py:88)` as `store.py:88`."""
    name = line.rpartition("/")[2] if "/" in line else line.rpartition("(")[2]
    return name.rstrip(")") or line


def _held_by(path: str) -> Sentence:
    """The first name of the way: `app:_cache (dict, 9 entries) → Order` is held by app:_cache."""
    name = path.partition(" → ")[0].partition(" (")[0]
    return [("", "; held by "), ("code", name)] if name else []


def _holder(subject: Subject, line: str) -> str:
    for verdict in subject.verdicts:
        if verdict.holder and verdict.frame is not None and str(verdict.frame) == line:
            return verdict.holder
    return next((holder.path for holder in subject.holders if holder.of == line), "")


# ---------------------------------------------------------------- recordings


def _of_recording(subject: Subject) -> Headline:
    recording, death = subject.recording, subject.death
    assert recording is not None and death is not None
    how, comma, more_of_it = death.text.partition(", ")
    sentence: Sentence = [("code", subject.program), ("", f" (pid {recording.identity.pid}) "),
                          ("strong" if death.is_death else "b", how), ("", f"{comma}{more_of_it}.")]
    notes: list[Sentence] = []
    if recording.active:
        doing: Sentence = [("", f"It {'is' if death.kind.value == 'running' else 'was'} in the middle of ")]
        for i, span in enumerate(recording.active[:3]):
            age = words.duration(death.time - span.start)
            doing += [("", ", " if i else ""), ("code", span.name), ("", f" (for {age})")]
        more = len(recording.active) - 3
        notes.append([*doing, ("", f", and {more:,} more." if more > 0 else ".")])
    if subject.heap.live_bytes > 0:
        found = _of_heap(subject, subject.heap)
        notes += [found.sentence, *found.notes]
    else:
        notes.append([("", "What its memory was allocated for was not recorded before the end.")])
    return Headline(sentence, notes)
