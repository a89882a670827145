"""The outside world behind the ports of ``core``; each client's errors become ours in one place."""
