"""What is deployed beside a service: dashboard, alert rules, and what generates them."""

from __future__ import annotations
