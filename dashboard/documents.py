"""Changes of one window's document that reach the browser together."""

from collections.abc import Iterator
from contextlib import contextmanager

from bokeh.document import Document


@contextmanager
def one_message(document: Document | None) -> Iterator[None]:
    """Send all changes made inside as one message, so that the browser never shows half of them."""
    if document is None or document.callbacks.hold_value:
        yield
        return
    document.hold("combine")  # not panel's `hold`: it now and then lost the first picture of a page
    try:
        yield
    finally:
        document.unhold()
