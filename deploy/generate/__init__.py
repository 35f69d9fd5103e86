"""Dashboard and alert rules, generated from the list of metrics: a metric that is renamed cannot be forgotten here.

    python -m deploy.generate            # writes deploy/grafana and deploy/prometheus
    python -m deploy.generate --check    # 1 if what is there is not what would be written
"""

from __future__ import annotations
