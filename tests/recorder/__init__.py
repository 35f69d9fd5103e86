"""The flight recorder under kills and damage: `python -m tests.recorder.kills`, `python -m tests.recorder.fuzz`."""
