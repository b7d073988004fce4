"""Files of bricks, changed."""

from astropy.io import fits


def change(path, header=None, pixels=None):
    """Rewrite a plane with other cards (None: taken away) or other pixels."""
    with fits.open(path) as hdus:
        data, cards = hdus[1].data, hdus[1].header.copy()
    for card, value in (header or {}).items():
        if value is None:
            del cards[card]
        else:
            cards[card] = value
    data = data if pixels is None else pixels(data)
    hdu = fits.CompImageHDU(
        data, cards, compression_type="GZIP_1", **({"quantize_level": 0.0} if data.dtype.kind == "f" else {})
    )
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)
