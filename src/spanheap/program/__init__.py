"""Programs that `spanheap run`, `audit` and `doctor` run in this process."""
