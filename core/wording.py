"""Small words that every sentence needs. Imports nothing."""


def counted(n: int, noun: str, plural: str = "") -> str:
    """Say how many: "1 image", "2 images", "1,000 images".

    Args:
        plural: where it is not the noun with an s.
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"
