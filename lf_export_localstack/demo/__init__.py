"""``lf-export demo``: everything once, from an empty folder to downloaded files and e-mails."""
