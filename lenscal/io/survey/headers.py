"""The headers of a brick's planes, without their pixels."""

from __future__ import annotations

from lenscal.io.survey.bricks import BrickFiles

PRODUCTS = ("image", "invvar", "nexp", "psfsize")


def hold(brick: BrickFiles) -> None:
    """Hold the header of every plane of a brick to what is expected and to its sisters.

    Raises
    ------
    PixelError
        A plane is truncated, in other units, of another shape, scale or place.
    """
    for product, band in [*((product, band) for product in PRODUCTS for band in brick.bands), ("maskbits", "")]:
        if brick.path(product, band).is_file():
            with brick.plane(product, band):
                pass
