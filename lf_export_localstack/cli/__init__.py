"""``lf-export local``, ``dev`` and ``demo``."""
