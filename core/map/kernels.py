"""Compile what the map needs, and keep it on disk: python -m core.map.kernels, which `make setup` runs.

numba keeps machine code beside the libraries (or in NUMBA_CACHE_DIR, or in the user's cache folder, whichever can be written
to first), and compiles again where a library's file or the CPU is another. So nobody waits for a compiler at the first layout
or the first lasso.
"""

import numpy as np

from core.map.layout import lay_out
from core.map.raster import warm

N_IMAGES = 64  # few: the types are compiled for, not the number


def compile_kernels() -> None:
    """Draw a map, select on it, and lay one out."""
    warm()
    lay_out(np.random.default_rng(0).normal(size=(N_IMAGES, 8)).astype(np.float32))


if __name__ == "__main__":
    compile_kernels()
