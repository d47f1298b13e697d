"""Stored chips as self-distillation looks at them: cropped, flipped, rotated, warmer or colder, by torchvision.

VideoClusterNet §3.4 and appendix A.2; the sizes of the changes are ours †.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from cluster.adapt.recogniser import Recogniser
from cluster.constraints import Integers
from harvest.chips import from_jpeg

DEGREES = 10.0
"""Rotation to either side."""
WARMTH = 0.15
"""Red and blue are multiplied by 1 ± this, in opposite directions: some 1,500 K either way."""


class ChipViews:
    """Chips by number, kept as JPEG (3 KB instead of 37) and decoded when they are looked at."""

    def __init__(self, chips: Sequence[bytes], recogniser: Recogniser) -> None:
        self._chips, self._recogniser = chips, recogniser

    def whole(self, rows: Integers) -> Tensor:
        return self._recogniser.normalised(np.stack([from_jpeg(self._chips[row]) for row in rows]))

    def crops(self, rows: Integers, count: int, scale: tuple[float, float], generator: torch.Generator) -> Tensor:
        chips = self.whole(rows)
        crops = [self._augmented(chip, scale, generator) for _ in range(count) for chip in chips]
        return torch.stack(crops)

    def _augmented(self, chip: Tensor, scale: tuple[float, float], generator: torch.Generator) -> Tensor:
        """A square of `scale` of the area, from anywhere in the chip, back to its size."""
        area, top, left, turn, warmth, flip = torch.rand(6, generator=generator).tolist()
        size = chip.shape[-1]
        side = round(size * (scale[0] + (scale[1] - scale[0]) * area) ** 0.5)
        y, x = round(top * (size - side)), round(left * (size - side))
        turned = functional.rotate(
            chip, (2 * turn - 1) * DEGREES, functional.InterpolationMode.BILINEAR, fill=[0.0, 0.0, 0.0]
        )
        crop = functional.resized_crop(turned, y, x, side, side, [size, size], antialias=True)
        crop = functional.horizontal_flip(crop) if flip < 0.5 else crop
        shift = (2 * warmth - 1) * WARMTH
        tint = crop.new_tensor([1 + shift, 1.0, 1 - shift])[:, None, None]
        bright = self._recogniser.mean / self._recogniser.std  # black is −mean/std after normalising, not 0
        tinted: Tensor = (crop + bright) * tint - bright
        return tinted
