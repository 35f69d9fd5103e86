"""`spanheap report` and `spanheap diff`: dumps and recordings as an HTML file, or as text. For the command alone."""
