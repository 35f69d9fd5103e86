"""Routes over a fixed road graph are kept in an LRU cache for 200000 of them, of which the run asks for a tenth: the
cache is still filling at the end.
"""

from __future__ import annotations

import itertools
import random

import networkx as nx
from cachetools import LRUCache, cached

KIND = "growing_bound_unknown"
SPAN = "GET /route"
SITE = "plan_route"
HOLDER = "_routes"
REQUIRES = ["networkx==3.6.1", "cachetools==8.0.2"]
REQUESTS_PER_SECOND = 4
DURATION_S = 4800

_rng = random.Random(71)
_roads = nx.Graph()
_nodes = []
_routes = LRUCache(maxsize=200_000)


def setup():
    grid = nx.grid_2d_graph(16, 16)
    for a, b in grid.edges:
        _roads.add_edge(a, b, km=round(_rng.uniform(0.4, 3.0), 2), street=f"Street {_rng.randrange(200)}")
    _nodes.extend(_roads.nodes)


@cached(_routes)
def plan_route(start, goal):
    path = nx.bidirectional_shortest_path(_roads, start, goal)
    legs, km = [], 0.0
    for a, b in itertools.pairwise(path):
        road = _roads.edges[a, b]
        km += road["km"]
        legs.append(
            {"from": a, "to": b, "street": road["street"], "km": km, "text": f"{road['street']} for {road['km']} km"}
        )
    return {"km": km, "legs": legs}


def request(i, now):
    if _rng.random() < 0.45:
        start, goal = _nodes[_rng.randrange(12)], _nodes[-1 - _rng.randrange(12)]
    else:
        start, goal = _rng.sample(_nodes, 2)
    route = plan_route(start, goal)
    return {"km": route["km"], "turns": len({leg["street"] for leg in route["legs"]})}


def teardown():
    _routes.clear()
