"""Messages from the browser, as models. A browser may send anything: what does not fit its model is dropped and logged."""

import logging
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

LOG = logging.getLogger("lassoscope.messages")


class Message(BaseModel):
    """A message of a page component; fields that its model does not name are ignored."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    @classmethod
    def read(cls, content: object) -> Self | None:
        """Validate what a component sent; None, with a warning in the log, if it is no such message."""
        try:
            return cls.model_validate(content)
        except ValidationError as error:  # fields and kinds of error alone are logged: the values are a stranger's
            wrong = sorted({f"{e['loc'][0] if e['loc'] else 'all of it'}: {e['type']}" for e in error.errors()})
            LOG.warning("a message from a browser was dropped", extra={"expected": cls.__name__, "wrong": ", ".join(wrong)})
            return None
