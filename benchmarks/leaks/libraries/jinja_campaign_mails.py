"""Compiled Jinja templates are cached by their source, and the source was already interpolated with the customer's data;
seen where a mail's subject and intro are built with an f-string before from_string.
"""

from __future__ import annotations

import random

from jinja2 import DictLoader, Environment, StrictUndefined

KIND = "leak"
SPAN = "POST /campaigns/{id}/mails"
ENDPOINTS = [("POST /campaigns/{id}/mails", 1), ("GET /mails/{id}/preview", 7)]
SITE = "compiled"
HOLDER = "_compiled"
REQUIRES = ["jinja2==3.1.6"]
REQUESTS_PER_SECOND = 4
DURATION_S = 2400

LAYOUT = """<html><body><h1>{{ title }}</h1><table>
{% for line in lines %}
<tr class="{{ loop.cycle('odd', 'even') }}"><td>{{ line.sku }}</td><td>{{ '%.2f' % line.price }}</td></tr>
{% endfor %}</table><footer>{{ footer }}</footer></body></html>"""

_env = None
_compiled = {}
_rng = random.Random(5)


def setup():
    global _env
    _env = Environment(loader=DictLoader({"layout.html": LAYOUT}), undefined=StrictUndefined, autoescape=True)
    _env.filters["money"] = lambda cents: f"{cents / 100:.2f} EUR"


def compiled(source):
    template = _compiled.get(source)
    if template is None:
        template = _compiled[source] = _env.from_string(source)
    return template


def campaign_mail(customer_id, city):
    intro = f"Hello customer {customer_id}, good news from our shop in {city}!"
    source = (
        intro
        + " {% if voucher %}Your voucher {{ voucher }} is worth {{ worth | money }}.{% endif %}"
        + "{% for offer in offers %} * {{ offer.name }}: {{ offer.cents | money }}\n{% endfor %}"
    )
    offers = [{"name": f"offer {n}", "cents": _rng.randrange(900, 9000)} for n in range(4)]
    return compiled(source).render(voucher="SPRING", worth=500, offers=offers)


def preview(mail_id):
    lines = [{"sku": f"sku-{_rng.randrange(10_000)}", "price": _rng.random() * 100} for _ in range(40)]
    return _env.get_template("layout.html").render(title=f"Mail {mail_id}", lines=lines, footer="Unsubscribe")


def request(i, now, endpoint):
    if endpoint.startswith("POST"):
        return campaign_mail(i, ("Lyon", "Turin", "Ghent")[i % 3])
    return preview(i)


def teardown():
    _compiled.clear()
