"""Pure: what the outside world knows (time, environment, services) comes in as arguments."""
