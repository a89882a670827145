"""Server processes: started, watched, stopped and remembered, on free ports of loopback."""
