"""Read the words in a picture, offline: RapidOCR's models come in its wheel. An extra, because OpenCV comes with it."""

import logging
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from core.errors import InputError

READ_SIDE = 640  # px of the longer side: lines of a notice are read right at this size
SURE = 0.6  # a line's confidence in [0, 1]; below, it is a guess at a pattern


def can_read() -> bool:
    """Tell whether the extra is installed."""
    from importlib.util import find_spec

    return find_spec("rapidocr") is not None


@lru_cache(maxsize=1)
def _engine() -> Any:
    if not can_read():
        raise InputError("Reading words needs RapidOCR, which is not installed; run: pip install 'lassoscope[ocr]'.")
    from rapidocr import RapidOCR

    # Its logger would write to the terminal; threads are the caller's business.
    engine = RapidOCR(params={"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": 2})
    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    return engine


def read_words(image: Image.Image) -> str:
    """Read an RGB picture's lines, top to bottom.

    Returns:
        one line each, "" if there are no words.
    Raises:
        InputError: if the extra is not installed.
    """
    by = READ_SIDE / max(image.size)
    size = (max(32, round(image.width * by)), max(32, round(image.height * by)))
    found = _engine()(np.asarray(image.resize(size, Image.Resampling.BICUBIC))[:, :, ::-1])
    lines = zip(found.txts or (), found.scores or (), strict=True)
    return "\n".join(text for text, score in lines if score >= SURE)
