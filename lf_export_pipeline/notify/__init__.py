"""The e-mail about a finished export: its text, who gets it, and what is sent later."""
