"""The embedded stack: real servers from wheels, on loopback, for the demo and for tests.

Production code never imports this package.
"""
