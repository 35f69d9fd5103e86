"""A page cache with a limit is made for each Host, and each pull request has a preview host of its own: none of the
limits is ever reached."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from _kit import answer, chance, mixed, text

KIND = "leak"
SPAN = "GET /{page}"
SITE = "PageRenderer.render"
HOLDER = "_per_host"
REQUESTS_PER_SECOND = 15
DURATION_S = 3600


class PageCache:
    """The pages used last, at most `maxsize`."""

    def __init__(self, maxsize: int) -> None:
        self.maxsize = maxsize
        self._pages: OrderedDict[str, str] = OrderedDict()

    def get_or_make(self, path: str, make: Callable[[], str]) -> str:
        page = self._pages.get(path)
        if page is not None:
            self._pages.move_to_end(path)
            return page
        page = self._pages[path] = make()
        while len(self._pages) > self.maxsize:
            self._pages.popitem(last=False)
        return page


class PageRenderer:
    def render(self, host: str, path: str, i: int) -> str:
        head = f"<html><head><title>{host}{path}</title></head>"
        return head + text(i, 3600 + mixed(i, 5) % 1500) + "</html>"


class Site:
    def __init__(self, production: str) -> None:
        self.production = production
        self.renderer = PageRenderer()
        self._main = PageCache(maxsize=300)
        self._per_host: dict[str, PageCache] = {}

    def cache_of(self, host: str) -> PageCache:
        if host == self.production:
            return self._main
        cache = self._per_host.get(host)
        if cache is None:
            cache = self._per_host[host] = PageCache(maxsize=300)
        return cache

    def page(self, host: str, path: str, i: int) -> str:
        return self.cache_of(host).get_or_make(path, lambda: self.renderer.render(host, path, i))


site: Site


def setup() -> None:
    global site
    site = Site("shop.example")


def request(i: int, now: float) -> None:
    if chance(i, 1, 0.55):
        site.page("shop.example", f"/p/{mixed(i, 2) % 420}", i)
    else:
        pull_request = 4000 + int(now // 40) - mixed(i, 3) % 3
        site.page(f"pr-{pull_request}.preview.example", f"/p/{mixed(i, 2) % 420}", i)
    answer(i)


def teardown() -> None:
    pass
