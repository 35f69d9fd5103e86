"""`spanheap report` and `spanheap diff`: a dump or a recording as one HTML file, or as text. Imported by the command alone."""
