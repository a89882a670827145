"""Which texts of a command line can be stored and printed."""


def is_storable(text: str) -> bool:
    """Whether it has neither a NUL nor half a character: so Python keeps bytes that are no text."""
    is_whole = text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)
    return is_whole and "\0" not in text
