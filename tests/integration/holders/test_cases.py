"""Who keeps an object alive is named as a programmer would say it."""

from __future__ import annotations

import gc
import sys
from types import ModuleType

import pytest

from spanheap.retention import holders

QUALNAME = sys.version_info >= (3, 11)   # code objects know the function's place from then on

CASES = {
    "in_module_dict": "shop:orders (dict, 1 entry) → Kept",
    "in_module_list": "shop:pending (list, 1 entry) → Kept",
    "in_module_set": "shop:seen (set, 1 entry) → Kept",
    "in_class_attribute": "shop.Shop.registry (list, 1 entry) → Kept",
    "in_instance_attribute": "shop:shop (Shop) → shop.Shop.items (list, 1 entry) → Kept",
    "in_instance_dict": "shop:opened (Shop) → shop.Shop.items (list, 1 entry) → Kept",
    "in_slot": "shop:slotted (Slotted) → shop.Slotted.items (list, 1 entry) → Kept",
    "in_attribute_of_dict_subclass": "shop:basket (Basket, 0 entries) → shop.Basket.extra (Kept)",
    "in_closure": "shop:handle (function) → shop._make_handler.<locals>.handler (closure 'box': list, 1 entry) → Kept",
    "in_default": "shop._with_default (default 'into': list, 1 entry) → Kept",
    "in_keyword_default": "shop._with_keyword_default (default 'into': list, 1 entry) → Kept",
    "in_lru_cache": "shop.load (lru_cache, 1 entry) → Kept",
    "in_lru_cache_of_method": "shop.Cart.total (lru_cache, 1 entry) → tuple (1 entry) → Cart",
    "in_bound_method": "shop:listeners (list, 1 entry) → shop.Listener.on_order (bound method: Listener)",
    "in_partial": "shop:callbacks (list, 1 entry) → shop._on_done (functools.partial: tuple, 1 entry) → Kept",
    "in_weak_key_dictionary": "shop:by_owner (WeakKeyDictionary, 1 entry) → Kept",
    "in_deque": "shop:recent (deque, 1 entry) → Kept",
    "in_ordered_dict": "shop:ordered (OrderedDict, 1 entry) → Kept",
    "in_default_dict": "shop:grouped (defaultdict, 1 entry) → list (1 entry) → Kept",
    "in_traceback": "shop:failures (list, 1 entry) → LookupError.__traceback__ (frame) → "
                    + ("shop.in_traceback.<locals>.fail" if QUALNAME else "shop.fail") + " (frame 'big': Kept)",
    "in_logging_handler": "logger 'shop' → logging.Logger.handlers (list, 1 entry) → "
                          "shop.Recorder.records (list, 1 entry) → Kept",
    "in_atexit": "interpreter (registered with atexit) → tuple (1 entry) → Kept",
    "in_finalizer": "weakref.finalize._registry (dict, 1 entry) → weakref.finalize._Info.args (tuple, 1 entry) → Kept",
    "in_generator": "shop:generators (list, 1 entry) → "
                    + ("shop.in_generator.<locals>.rows" if QUALNAME else "shop.rows")
                    + " (generator 'batch': list, 1 entry) → Kept",
    "in_current_context": "context variable 'request_items' of thread 'worker' (list, 1 entry) → Kept",
    "in_kept_context": "shop:contexts (list, 1 entry) → Context → context variable 'request_items' (list, 1 entry) → Kept",
    "in_context_default": "shop:fallback (ContextVar) → default of context variable 'fallback' (list, 1 entry) → Kept",
    "in_token": "shop:tokens (list, 1 entry) → Token → list (1 entry) → Kept",
    "in_thread_local": "shop:local (_local) → items of thread 'worker' (list, 1 entry) → Kept",
    "in_thread_variable": ("shop.in_thread_variable.<locals>.serve" if QUALNAME else "shop.serve")
                          + " (variable 'batch' of thread 'worker': list, 1 entry) → Kept",
    "in_task": "Task → shop.worker (coroutine 'batch': list, 1 entry) → Kept",
    "in_awaited_coroutine": "Task → shop.outer (coroutine 'inner': coroutine) → "
                            "shop.worker (coroutine 'batch': list, 1 entry) → Kept",
    "in_queue": "shop:waiting (Queue) → queue.Queue.queue (deque, 1 entry) → Kept",
    "in_simple_queue": "shop:jobs (SimpleQueue, 1 entry) → list (1 entry) → Kept",
    "in_c": "held by C → Kept",
    "in_list_held_by_c": "held by C → list (1 entry) → Kept",
    "in_object_array": "held by C → Kept",
}


NOT_NAMED = {
    "in_evaluation_stack": "shop.in_evaluation_stack.<locals>.serve (loop of thread 'worker') → list (1 entry) → Kept",
}


@pytest.mark.parametrize("case", CASES)
def test_holder_is_named(shop: ModuleType, case: str) -> None:
    """The shortest named way to the object is told, and nothing of its keys and values."""
    gc.disable()
    try:
        made = getattr(shop, case)()
        kept, finish = made if isinstance(made, tuple) else (made, None)
        del made
        try:
            search = holders.search((kept,), budget_ms=60_000)
        finally:
            if finish is not None:
                finish()
        assert [str(holder) for holder in search.holders] == [CASES[case]]
        assert search.complete and search.holders[0].share == search.holders[0].objects == 1.0
    finally:
        gc.enable()


@pytest.mark.parametrize("case", [
    pytest.param("in_evaluation_stack", marks=pytest.mark.xfail(
        strict=True, reason="how deep a running frame's evaluation stack is cannot be known: it is told as held by C")),
])
def test_holder_that_is_not_named(shop: ModuleType, case: str) -> None:
    """What cannot be named yet, and why."""
    kept, finish = getattr(shop, case)()
    try:
        found = [str(holder) for holder in holders.search((kept,), budget_ms=60_000).holders]
    finally:
        finish()
    assert found[0].startswith("held by C")
    assert found == [NOT_NAMED[case]]


def test_garbage_is_told_from_what_is_held(shop: ModuleType) -> None:
    """A cycle that nothing holds waits for the collector; the one who asks is not its holder."""
    gc.disable()
    try:
        shop.in_garbage()
        found = holders.search(tuple(o for o in gc.get_objects() if type(o) is shop.Cycle), budget_ms=60_000).holders
        assert [str(holder) for holder in found] == ["garbage that waits for the collector → Cycle"]
    finally:
        gc.enable()


def test_caller_is_the_last_answer(shop: ModuleType) -> None:
    """A variable of the function that asks is told only if nobody else holds the object."""
    mine = shop.Kept()
    own = str(holders.search((mine,), budget_ms=60_000).holders[0])
    assert own.startswith("holders.test_cases.test_caller_is_the_last_answer (the caller's variable 'mine'")
    shop.pending.append(mine)
    assert str(holders.search((mine,), budget_ms=60_000).holders[0]) == "shop:pending (list, 1 entry) → Kept"


def test_roots_themselves(shop: ModuleType) -> None:
    """A module, a class and a function are what they are called; there is always at least one step."""
    for o, expected in ((shop, "module"), (shop.Shop, "shop.Shop (class)"), (shop.in_c, "shop.in_c (function)")):
        assert [str(holder) for holder in holders.search((o,), budget_ms=60_000).holders] == [expected]


def test_question_itself_is_no_holder(shop: ModuleType) -> None:
    """An object that only the question holds has no holder, whether the collector knows it or not."""
    tracked = holders.search((shop.Cycle(),), budget_ms=60_000).holders
    in_container = holders.search([[shop.Kept()]], budget_ms=60_000).holders
    atomic = holders.search((b"%d" % len(sys.modules),), budget_ms=60_000).holders
    assert (tracked, in_container, atomic) == ([], [], [])
