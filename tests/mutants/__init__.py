"""Do the tests of the bug classes see the bugs? Each mutant is one bug, put back into the code on purpose.

    python -m tests.mutants [NAME…] [--list]

builds the extension once as it is, whose tests must pass, and once with each mutant, whose tests must fail.
"""

from __future__ import annotations
