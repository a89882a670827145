"""``lf-export``, a module per command."""
