"""Words of what stages print."""


def counted(number: int, word: str) -> str:
    """Return `1 request`, `2 requests`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
