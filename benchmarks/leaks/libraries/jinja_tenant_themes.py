"""Jinja's own template cache warms up with the themes of many tenants until it holds cache_size of them, then drops the
least recently used.
"""

from __future__ import annotations

import random

from jinja2 import Environment, FunctionLoader

KIND = "bounded"
SPAN = "GET /page"
SITE = None
HOLDER = None
REQUIRES = ["jinja2==3.1.6"]
REQUESTS_PER_SECOND = 2
DURATION_S = 1800

_rng = random.Random(6)
_env = None
_tenants = list(range(320))
_weights = [1 / (rank + 60) for rank in range(320)]


def theme_source(name):
    tenant = int(name.split("/")[0])
    rules = [f".t{tenant} .box-{n} {{ margin: {n % 9}px; color: #{(tenant * 97 + n) % 4096:03x}; }}" for n in range(500)]
    blocks = ["<style>", *rules, "</style>"]
    for n in range(1 + tenant % 3):
        blocks.append(
            "<section id='b%d-%d'>{%% if show_%d %%}<h2>{{ title | e }} %d</h2>{%% endif %%}"
            "{%% for item in items %%}<li>{{ item.name }}: {{ item.price | round(2) }}</li>{%% endfor %%}</section>"
            % (tenant, n, n, n)
        )
    return "\n".join(blocks), name, lambda: True


def setup():
    global _env
    _env = Environment(loader=FunctionLoader(theme_source), cache_size=300, auto_reload=True)


def render(tenant):
    items = [{"name": f"item {n}", "price": _rng.random() * 20} for n in range(6)]
    flags = {f"show_{n}": n % 2 == 0 for n in range(3)}
    return _env.get_template(f"{tenant}/page.html").render(title=f"Tenant {tenant}", items=items, **flags)


def request(i, now):
    return len(render(_rng.choices(_tenants, _weights)[0]))


def teardown():
    _env.cache.clear()
