"""The flight recorder: what a process was doing, in a file that survives it. Imported when a recorder is asked for."""
