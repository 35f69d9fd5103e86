"""A celery task is one object per process, and this one keeps the first row of every document's embeddings on itself: a
numpy view, which holds the whole matrix.
"""

from __future__ import annotations

import numpy as np
from celery import Celery, Task

KIND = "leak"
SPAN = "index_document"
SITE = "embed"
HOLDER = "titles"
REQUIRES = ["celery==5.7.0", "numpy==2.4.6"]
REQUESTS_PER_SECOND = 1
DURATION_S = 3600

app = Celery("search", broker="memory://", backend="cache+memory://")
app.conf.task_always_eager = True
app.conf.task_store_eager_result = False

_rng = None


class IndexTask(Task):
    abstract = True

    def __init__(self):
        self.titles = {}
        self.indexed = 0


def embed(sentences, width=384):
    noise = _rng.standard_normal((sentences, width), dtype=np.float32)
    weights = np.linspace(1.0, 0.2, sentences, dtype=np.float32)
    return noise * weights[:, None]


@app.task(base=IndexTask, bind=True, name="search.index_document", shared=False)
def index_document(self, document, sentences):
    matrix = embed(sentences)
    norms = np.sqrt((matrix * matrix).sum(axis=1))
    self.indexed += 1
    self.titles[document] = matrix[0]
    return {"document": document, "norm": float(norms.mean()), "best": int(norms.argmax())}


def setup():
    global _rng
    _rng = np.random.default_rng(8)
    app.finalize()


def request(i, now):
    sentences = 20 + (i * 37) % 90
    result = index_document.delay(f"doc-{i:07d}", sentences)
    return result.get(timeout=1)


def teardown():
    app.tasks["search.index_document"].titles.clear()
