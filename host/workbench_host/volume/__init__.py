"""The data volume: its filesystem, its mounts, and the count of who has how much on it."""
