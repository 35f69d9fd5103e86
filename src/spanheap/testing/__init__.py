"""Leak regression tests for a service's own suite.

    def test_orders_leave_nothing_behind(client):
        assert_no_growth(lambda: client.get("/orders/1"))
"""

from __future__ import annotations

from spanheap.testing.assertion import assert_no_growth

__all__ = ["assert_no_growth"]
