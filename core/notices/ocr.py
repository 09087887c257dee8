"""Read the words in a picture offline with RapidOCR, whose wheel contains its models. An extra: it depends on OpenCV."""

import logging
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from core.errors import InputError

READ_SIDE = 640  # px of the longer side: at this size lines of a notice are read correctly
SURE = 0.6  # minimum confidence of a line, in [0, 1]; below, patterns are mistaken for text


def can_read() -> bool:
    """Tell whether the extra is installed."""
    from importlib.util import find_spec

    return find_spec("rapidocr") is not None


@lru_cache(maxsize=1)
def _engine() -> Any:
    if not can_read():
        raise InputError("Reading words needs RapidOCR, which is not installed; run: pip install 'lassoscope[ocr]'.")
    from rapidocr import RapidOCR

    # Its logger writes to the terminal, and by default it uses all cores.
    engine = RapidOCR(params={"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": 2})
    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    return engine


def read_words(image: Image.Image) -> str:
    """Read the lines of text in an RGB picture, top to bottom.

    Returns:
        the lines, separated by newlines; "" if there are none.
    Raises:
        InputError: if the extra is not installed.
    """
    by = READ_SIDE / max(image.size)
    size = (max(32, round(image.width * by)), max(32, round(image.height * by)))
    found = _engine()(np.asarray(image.resize(size, Image.Resampling.BICUBIC))[:, :, ::-1])
    lines = zip(found.txts or (), found.scores or (), strict=True)
    return "\n".join(text for text, score in lines if score >= SURE)
