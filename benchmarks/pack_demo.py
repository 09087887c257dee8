"""Pack the demo's Fashion-MNIST images into assets/demo/ again; the files are reproduced byte for byte.

python -m benchmarks.pack_demo --source /usr/share/datasets/fashion-mnist    (Debian's package dataset-fashion-mnist)
"""

import argparse
from pathlib import Path

from core.demo.datasets import DEMO_ASSETS, pack_fashion_mnist


def main() -> None:
    """Pack."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--source", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    ask.add_argument("--out", type=Path, default=DEMO_ASSETS)
    chosen = ask.parse_args()
    mosaic = pack_fashion_mnist(chosen.source, chosen.out)
    print(f"{mosaic}: {mosaic.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
