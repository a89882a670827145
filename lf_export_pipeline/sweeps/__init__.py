"""Removes what exports leave behind; each sweep can be tried without effect."""
