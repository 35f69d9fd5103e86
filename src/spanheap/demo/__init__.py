"""`spanheap demo`: a leaking service under load, found by spanheap, beside its fixed variant.

service.py     the service, as a user would write it; it does not know spanheap
host.py        the process that runs the service under spanheap
load.py        the process that sends it requests
child.py       how the demo talks to both, and why neither outlives it
growth.py      what grew between two heap snapshots
run.py         one run of the service under load, and the whole demo
progress.py    what is shown meanwhile
terminal.py    where it is shown: styles, refreshed lines, units
report.py      what is printed afterwards
"""
