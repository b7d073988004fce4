"""What several test modules build on; taken by those of `test_sampling.py` first."""

import numpy as np
import rendering_reference

from lenscal.kernels import convolution, imaging, light, sampling

SIZE = 61


def parameters(count, seed=3):
    """Lens and source rows as hard as they come: cusps of 0.03 arcsec, q down to 0.3, sources near the caustic."""
    rng = np.random.default_rng(seed)
    theta_e, q, phi = rng.uniform(0.5, 2.6, count), rng.uniform(0.3, 1, count), rng.uniform(0, np.pi, count)
    gamma, centre = rng.normal(0, 0.05, (2, count)), rng.normal(0, 0.05, (2, count))
    n, r_e = rng.uniform(0.5, 4, count), rng.uniform(0.1, 0.5, count)
    source_q, source_phi = rng.uniform(0.3, 1, count), rng.uniform(0, np.pi, count)
    offset, angle = theta_e * np.sqrt(rng.uniform(0.01, 1, count)), rng.uniform(0, 2 * np.pi, count)
    fifth = count // 5
    n[: 2 * fifth], r_e[:fifth], source_q[:fifth], r_e[2 * fifth : 3 * fifth], q[3 * fifth : 4 * fifth] = (
        4,
        0.03,
        0.3,
        0.03,
        0.3,
    )
    lens = np.column_stack([theta_e, q, phi, *gamma, *centre])
    source = np.column_stack(
        [n, r_e, source_q, source_phi, centre[0] + offset * np.cos(angle), centre[1] + offset * np.sin(angle)]
    )
    return lens, source


def record_psf():
    return light.moffat(light.moffat_fwhm(0.9, 2.5), 2.5, 61, 0.262)


def components(source, pixel_scale=0.262):
    n, r_e, q = source[:, 0], source[:, 1], source[:, 2]
    core = np.minimum(1, sampling.SOFT_CORE * imaging.smallest_cell(pixel_scale) / (r_e * np.sqrt(q)))
    values = np.column_stack([light.sersic_b(n), light.sersic_central(n, r_e), core, light.soft_core(n, core)])
    count = len(source)
    return (
        np.arange(count + 1),
        source,
        values,
        np.full(count, -1),
        np.zeros((count, 8)),
        np.ones(count),
        np.zeros((1, 1, 1), np.float32),
    )


def pixels(lens, source, size=SIZE, inner=True, tolerance=1.0, pixel_scale=0.262):
    sides, origin = imaging.geometry((size, size), pixel_scale)
    out = np.zeros((len(lens), size, size), np.float32)
    inside, full = np.zeros(len(lens)), np.zeros(len(lens), np.int64)
    imaging.pixels(
        lens,
        *components(source, pixel_scale),
        np.full(len(lens), inner),
        tolerance,
        origin,
        *imaging.work_space(sides),
        out,
        inside,
        full,
    )
    assert not full.any()
    return out, inside


def convolved(lens, source, psf, size=SIZE):
    sides, origin = imaging.geometry((size, size), 0.262)
    torus = imaging.torus((size, size), psf.shape)
    count = len(lens)
    out = np.zeros((count, 1, size, size), np.float32)
    inside, full = np.zeros(count), np.zeros(count, np.int64)
    imaging.convolved(
        lens,
        *components(source),
        np.ones(count, bool),
        1.0,
        origin,
        *imaging.work_space(sides),
        np.ones((count, 1)),
        psf[None, None].astype(np.float32),
        np.zeros(count, np.int64),
        np.arange(count),
        imaging.optics(1, psf.shape, torus, True),
        convolution.work_space(torus),
        out,
        inside,
        full,
    )
    return out[:, 0]


def errors_of(record):
    """(set, 3): flux inside the stamp; pixels over the peak, without and with PSF; against the twin's kept numbers."""
    lens, source = record["lens"], record["source"]
    bare, seen = pixels(lens, source)[0], convolved(lens, source, record_psf())
    flux = np.abs(bare.sum((1, 2), dtype=float) / record["flux"] - 1)
    scaled = record["peaks"][:, :, None, None] / rendering_reference.UNIT * record["images"]
    worst = (np.abs(ours - theirs).max((1, 2)) / theirs.max((1, 2)) for ours, theirs in zip((bare, seen), scaled))
    return np.column_stack([flux, *worst])
