"""What several test modules build on; taken by those of `test_noise.py` first."""

import numpy as np


def arc(size=40, peak=0.05):
    r = np.arange(size) - (size - 1) / 2
    return (peak * np.exp(-(np.hypot(r, r[:, None]) ** 2) / 30)).astype(np.float32)


def coadd_lags():
    """Lags of a coadd that sum to 1.79: a Lanczos kernel's along both axes."""
    along_y, along_x = np.array([1, 0.27, -0.08, 0.02]), np.array([1, 0.19, -0.09, 0.03])
    return along_y[:, None] * along_x[np.abs(np.arange(-3, 4))]


COADD = coadd_lags()


SUM = 1.42 * 1.26
