"""What a group of samples is called: its site, span, endpoint and traces, from the samples that live."""

from __future__ import annotations

from spanheap import _core
from spanheap.detection.blocks import BlockKey
from spanheap.detection.case import Key
from spanheap.detection.series import GroupKey
from spanheap.detection.verdict import Description
from spanheap.snapshot.row import Frame
from spanheap.snapshot.usage import Site

SAMPLES_DESCRIBED = 256
EXAMPLE_TRACES = 5


def describe(key: Key, since: float, until: float) -> Description:
    """Names of a group, from its samples born between these times of the clock; of a BlockKey, from the largest of them."""
    samples = _core.group_samples(GroupKey(*key[:3]), since, until, SAMPLES_DESCRIBED)
    return _described([max(samples, key=lambda sample: sample[2])] if isinstance(key, BlockKey) and samples else samples)


def _described(samples: list[tuple[int, int, float, int, str, str, str]]) -> Description:
    if not samples:
        return Description(None, None, None, [])
    sites: dict[tuple[Frame, ...], tuple[float, int]] = {}
    spans: dict[str, float] = {}
    roots: dict[str, float] = {}
    for _, stack, size, _, span, root, _ in samples:
        frames = _core.stack_frames(stack)
        live, count = sites.get(frames, (0.0, 0))
        sites[frames] = live + size, count + 1
        spans[span] = spans.get(span, 0.0) + size
        roots[root] = roots.get(root, 0.0) + size
    names = sorted(spans, key=lambda name: -spans[name])
    most = max(sites, key=lambda frames: sites[frames])
    live, count = sites[most]
    site = Site(
        stack=list(most), span_names=names, live_bytes=live, live_objects=count, allocated_bytes=live,
        allocated_objects=count, samples=count, variance=live * live / count,
    )
    traces = list(dict.fromkeys(trace for *_, trace in samples if trace))[:EXAMPLE_TRACES]
    return Description(site, names[0], max(roots, key=lambda name: roots[name]), traces)


def turnover(key: Key, since: float, until: float) -> float:
    """Bytes that the lines of a group have given back, for each that they keep of what was born between these times."""
    samples = _core.group_samples(GroupKey(*key[:3]), since, until, SAMPLES_DESCRIBED)
    kept = sum(size for _, _, size, *_ in samples)
    return _core.gone_bytes({stack for _, stack, *_ in samples}) / kept if kept else 0.0


def site_of_span(name: str) -> Site | None:
    """Where most live memory of the spans of this name was allocated."""
    return _described(_core.span_samples(name, SAMPLES_DESCRIBED)).site
