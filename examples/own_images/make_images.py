"""Writes scikit-learn's digits as image files into a folder a class, in place of images of your own.

python make_images.py images [--limit 300]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def main() -> None:
    """Writes `<folder>/<digit>/<number>.png`, 8 × 8 grey pixels each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=None, help="so many images; default: all 1,797")
    options = parser.parse_args()
    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype("uint8")
    for number, (image, digit) in enumerate(zip(pixels[: options.limit], digits.target, strict=False)):
        folder = options.folder / str(digit)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:04d}.png")


if __name__ == "__main__":
    main()
