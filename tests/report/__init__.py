"""The HTML report and the commands that make it."""
