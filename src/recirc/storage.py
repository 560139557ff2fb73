"""Files written whole or not at all, and arrays kept with a digest: the one place that writes."""
