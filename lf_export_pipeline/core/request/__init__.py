"""What a user has asked for: the stored query, what it may hold, and what is wrong with it."""
