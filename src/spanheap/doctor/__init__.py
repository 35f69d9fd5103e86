"""The doctor: what an application does with the OpenTelemetry SDK that costs memory.

`spanheap doctor` runs a program and examines what it has set up (command.py); a session says its word once, soon after its
start (at_start.py); and `spanheap.doctor.examination.examine()` is for who wants to ask. It changes nothing and imports no
SDK. A check is a function from a Setup to findings; examination.py has the list.
"""
