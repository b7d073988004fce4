"""The physics faults that the suite must notice, and the tests that are asked."""

from harness import Fault

LENSING, SAMPLING = "kernels/test_lensing.py::", "kernels/test_sampling.py::"
LIGHT, NOISE, PSF = "kernels/test_light.py::", "kernels/test_noise.py::", "kernels/test_convolution.py::"
SHOT, POISSON = "kernels/test_shot.py::", "kernels/test_poisson.py::"
INJECTIONS, CALIBRATION = "test_injections.py::", "test_calibration.py::"


def _fault(name, file, old, new, tests, *killers):
    return Fault(name, file, old, new, tuple(tests + killer for killer in killers))


_CLOSED = "test_deflection_is_the_closed_form_to_1e_8"
_BATCH = "test_the_batch_kernel_deflects_as_the_closed_form_to_1e_6"
_DIV = "test_divergence_is_twice_the_convergence_and_curl_is_zero"
_AXIS = "test_the_major_axis_of_the_mass_lies_at_phi"
_OF_RECORD = "test_draws_follow_the_measure_that_the_prior_states"
_FLUX = "test_lensed_flux_is_magnification_times_source_flux"
_PUBLIC = "test_the_arc_is_the_public_render_and_the_host_lies_under_it"
_UNRELATED = "test_each_band_of_each_trial_has_a_stream_of_its_own_and_theta_e_none"
_PROFILE = "test_without_a_lens_the_pixels_are_those_of_the_profile"
_GAIN = "test_gain_of_the_sky_is_sky_over_the_uncorrelated_variance"
_SHOT = "test_shot_noise_has_the_variance_of_the_gain"
_RESAMPLED = "test_resampling_keeps_the_noise_of_large_areas_and_lowers_that_of_a_pixel_by_the_sum_of_the_lags"
_OFTEN = "test_every_number_comes_as_often_as_it_should"

FAULTS = (
    # The lens, double precision.
    _fault("atanh where atan belongs", "kernels/lensing.py", "alpha_u = scale * u * _atan_over(", "alpha_u = scale * u * _atanh_over(", LENSING, _CLOSED, _DIV),
    _fault("atan where atanh belongs", "kernels/lensing.py", "alpha_v = scale * v * _atanh_over(", "alpha_v = scale * v * _atan_over(", LENSING, _CLOSED, _DIV),
    _fault("psi + q^2", "kernels/lensing.py", "    psi = np.hypot(q * u, v)\n", "    psi = np.hypot(q * u, v) + q**2\n", LENSING, _CLOSED, "test_a_round_lens_deflects_by_its_einstein_radius_everywhere"),
    _fault("axes of the lens swapped", "kernels/lensing.py", "return c * dx + s * dy, c * dy - s * dx, c, s", "return c * dy - s * dx, c * dx + s * dy, c, s", LENSING, _CLOSED, _AXIS),
    _fault("angle of the lens clockwise", "kernels/lensing.py", "c, s = np.cos(phi), np.sin(phi)", "c, s = np.cos(phi), -np.sin(phi)", LENSING, _AXIS),
    _fault("sign of the shear", "kernels/lensing.py", "c * alpha_u - s * alpha_v + gamma1 * x", "c * alpha_u - s * alpha_v - gamma1 * x", LENSING, "test_shear_stretches_along_its_own_angle_about_the_stamps_centre"),
    _fault("shear about the lens", "kernels/lensing.py", "c * alpha_u - s * alpha_v + gamma1 * x + gamma2 * y", "c * alpha_u - s * alpha_v + gamma1 * (x - lens_x) + gamma2 * (y - lens_y)", LENSING, "test_shear_stretches_along_its_own_angle_about_the_stamps_centre"),
    _fault("kappa twice as large", "kernels/lensing.py", "return theta_e * np.sqrt(q) / (2 * np.hypot(q * u, v))", "return theta_e * np.sqrt(q) / np.hypot(q * u, v)", LENSING, _DIV, "test_convergence_is_the_closed_form_to_1e_8", "test_area_inside_the_critical_curve_is_pi_theta_e_squared"),
    # The lens of the batch kernels.
    _fault("batch: atan where atanh belongs", "kernels/sampling.py", "alpha_v = scale * atanh_ratio(f * v, psi)", "alpha_v = scale * select(v >= _f4(0.0), atan_ratio(abs(f * v), psi), -atan_ratio(abs(f * v), psi))", LENSING, _BATCH),
    _fault("batch: q where q^2 belongs", "kernels/sampling.py", "_f4(q * q), _f4(f)", "_f4(q), _f4(f)", LENSING, _BATCH),
    _fault("batch: Einstein radius of the major axis", "kernels/sampling.py", "_f4(theta_e * math.sqrt(q) / f)", "_f4(theta_e * q / f)", LENSING, _BATCH),
    _fault("batch: sign of the shear", "kernels/sampling.py", "- g2 * x + g1 * y", "- g2 * x - g1 * y", LENSING, _BATCH),
    _fault("batch: centre of the lens left out", "kernels/sampling.py", "dx, dy = x - lens_x, y - lens_y\n", "dx, dy = x, y\n", LENSING, _BATCH),
    # The source.
    _fault("linear fit for b_n", "kernels/light.py", "return gammaincinv(2 * np.asarray(n, float), 0.5)", "return 1.9992 * np.asarray(n, float) - 0.3271", LIGHT, "test_b_n_of_an_exponential_is_the_known_number", "test_a_sersic_profile_has_unit_flux_and_half_of_it_inside_r_e"),
    _fault("R_e along the major axis", "kernels/sampling.py", "major, minor = math.sqrt(q) / r_e, 1 / (math.sqrt(q) * r_e)", "major, minor = 1 / r_e, 1 / (q * r_e)", SAMPLING, _PROFILE),
    _fault("axes of the source swapped", "kernels/sampling.py", "m11, m12, m21, m22 = _f4(major * c), _f4(major * s), _f4(-minor * s), _f4(minor * c)", "m11, m12, m21, m22 = _f4(minor * c), _f4(minor * s), _f4(-major * s), _f4(major * c)", SAMPLING, _PROFILE),
    _fault("cusp cut off", "kernels/light.py", "return 3 * (mean - 1)", "return 0 * mean", LIGHT, "test_a_soft_core_holds_the_flux_of_the_cusp_it_stands_for"),
    _fault("knots hold more light than the source", "injections/sources.py", "KNOT_SHARE * weight / weight.sum(1, keepdims=True)", "KNOT_SHARE * weight", INJECTIONS, "test_a_source_of_any_kind_has_the_flux_of_its_magnitude_before_it_is_lensed[clumpy]"),
    # Flux and magnitude.
    _fault("normalised in the image plane", "injections/rendering.py", "images = unit[:, None] * flux.astype", "images = (unit / unit.sum((1, 2), keepdims=True))[:, None] * flux.astype", INJECTIONS, _FLUX),
    _fault("batch: normalised in the image plane", "injections/trials.py", "self.host[rows], arcs, gain[part]", "self.host[rows], arcs / np.float32(inside)[:, None, None, None], gain[part]", INJECTIONS, _PUBLIC),
    _fault("sign of the magnitude", "injections/rendering.py", "flux = np.column_stack([10 ** (-0.4 *", "flux = np.column_stack([10 ** (0.4 *", INJECTIONS, _FLUX),
    _fault("zeropoint 25", "schema.py", "ZEROPOINT = 22.5", "ZEROPOINT = 25.0", INJECTIONS, _FLUX),
    # The priors.
    _fault("offsets uniform in radius", "injections/priors.py", "return np.sqrt(low**2 + u * (high**2 - low**2))", "return low + u * (high - low)", INJECTIONS, _OF_RECORD),
    _fault("sign of a colour", "injections/priors.py", 'drawn["mag_r"] + gr', 'drawn["mag_r"] - gr', INJECTIONS, _OF_RECORD),
    _fault("source position not about the lens", "injections/priors.py", 'drawn["lens_x"] + offset * np.cos(angle)', "offset * np.cos(angle)", INJECTIONS, _OF_RECORD),
    _fault("any small magnification accepted", "injections/priors.py", "near = near[(value[near] >= low * (1 - slack)) & (value[near] <= high * (1 + slack))]", "near = near[value[near] <= high * (1 + slack)]", INJECTIONS, "test_both_ends_of_the_range_of_the_magnification_are_kept"),
    _fault("any large magnification accepted", "injections/priors.py", "near = near[(value[near] >= low * (1 - slack)) & (value[near] <= high * (1 + slack))]", "near = near[value[near] >= low * (1 - slack)]", INJECTIONS, "test_both_ends_of_the_range_of_the_magnification_are_kept"),
    # The PSF and the grid.
    _fault("PSFSIZE used as FWHM", "kernels/light.py", "return psfsize * 4 * (beta - 1) * scale / PSFSIZE_PER_SIGMA", "return psfsize * np.ones_like(scale)", LIGHT, "test_core_width_over_psfsize_is_the_one_of_the_conventions", "test_a_moffat_image_has_the_noise_equivalent_area_of_its_psfsize"),
    _fault("batch: PSFSIZE used as FWHM", "injections/trials.py", 'for name in ("psf_fwhm_core", "psf_beta"))\n', 'for name in ("psfsize", "psf_beta"))\n', INJECTIONS, _PUBLIC),
    _fault("the pixel put in twice", "kernels/convolution.py", "if not includes_pixel:", "if includes_pixel:", PSF, "test_gaussians_convolve_to_a_gaussian_of_both_widths", "test_an_optical_psf_is_given_the_pixel"),
    _fault("PSF off centre", "kernels/convolution.py", "shift = psf.shape[axis - 2] // 2 +", "shift = psf.shape[axis - 2] // 2 + axis +", PSF, "test_gaussians_convolve_to_a_gaussian_of_both_widths"),
    _fault("wrap-around", "kernels/convolution.py", "size = max(pixels + psf_pixels // 2, psf_pixels)", "size = max(pixels, psf_pixels)", PSF, "test_the_torus_is_large_enough_and_of_small_primes"),
    _fault("samples of a cell mirrored", "kernels/sampling.py", "add_outer(padded, first, width, low, high, low, high,", "add_outer(padded, first, width, high, low, low, high,", SAMPLING, "test_nodes_shared_four_at_a_time_are_the_nodes_shared_one_by_one"),
    _fault("half a pixel off", "kernels/imaging.py", "-(n / 2 + MARGIN) * pixel_scale", "-((n - 1) / 2 + MARGIN) * pixel_scale", SAMPLING, _PROFILE),
    _fault("crop off by a pixel", "injections/trials.py", "start = (stamp - size) // 2", "start = (stamp - size + 1) // 2", INJECTIONS, "test_the_arc_is_centred_on_the_object_in_every_crop"),
    # Noise.
    _fault("gain 100 times too low", "kernels/noise.py", "np.where(variance > 0, sky / variance, np.nan)", "np.where(variance > 0, sky / variance / 100, np.nan)", NOISE, _GAIN),
    _fault("gain without the noise correlation", "kernels/noise.py", "variance = np.asarray(correlation, float) * np.square", "variance = np.square", NOISE, _GAIN),
    _fault("dark sky of another band", "kernels/noise.py", '"r": 0.297', '"r": 0.105', NOISE, "test_the_dark_sky_of_each_band_is_its_own"),
    _fault("clamp before Poisson", "kernels/shot.py", "out[x] += line[x]", "out[x] = max(out[x], np.float32(0)) + line[x]", SHOT, "test_negative_pixels_under_an_arc_take_its_noise_and_nothing_else"),
    _fault("noise on pixels without light", "kernels/shot.py", "expected = image[y, x] * gain", "expected = image[y, x] * gain + ELECTRONS_MIN", SHOT, "test_pixels_without_light_are_left_as_they_are_bit_for_bit"),
    _fault("mean of the shot noise kept", "kernels/shot.py", "(poisson(expected, own) - expected) / gain", "poisson(expected, own) / gain", SHOT, "test_variance_is_flux_over_gain_and_the_mean_is_zero"),
    _fault("electrons: a squeeze that is too wide", "kernels/poisson.py", "v <= accepted:", "v <= accepted + 0.2:", POISSON, _OFTEN),
    _fault("electrons: probabilities of another mean", "kernels/poisson.py", "chance *= mean / number", "chance *= mean / (number + 0.1)", POISSON, _OFTEN),
    _fault("shot noise of independent pixels", "injections/trials.py", "noise.resampling_kernels(lags if", "noise.resampling_kernels(np.broadcast_to(noise.WHITE, lags.shape) if", INJECTIONS, _SHOT),
    _fault("noise correlation counted twice", "kernels/noise.py", "variance = np.asarray(correlation, float) * np.square", "variance = np.asarray(correlation, float) ** 2 * np.square", SHOT, _RESAMPLED),
    _fault("resampling lowers a gain that has the correlation in it", "injections/trials.py", "self.per_band[\"gain\"][rows] if", "self.per_band[\"gain\"][rows] * self.hosts[\"noise_correlation\"].values[self.host[rows]] if", INJECTIONS, _SHOT),
    _fault("resampling that loses flux", "kernels/noise.py", "out[i] /= total", "out[i] /= np.sqrt((out[i] ** 2).sum())", SHOT, _RESAMPLED),
    _fault("power where its root belongs", "kernels/noise.py", "math.sqrt(max(power, 0.0))", "max(power, 0.0)", SHOT, "test_shot_noise_is_correlated_as_the_sky", "test_shot_noise_is_that_of_its_slow_twin"),
    _fault("lags mirrored", "kernels/noise.py", "(k_y * dy + k_x * dx) % _WAVES", "(k_y * dy - k_x * dx) % _WAVES", SHOT, "test_shot_noise_is_that_of_its_slow_twin"),
    _fault("RNG shared between bands", "injections/trials.py", 'f"shot noise {band}"', '"shot noise"', INJECTIONS, _UNRELATED),
    _fault("RNG shared between trials", "injections/trials.py", "noise_ids(self.ids[rows])", "0 * noise_ids(self.ids[rows])", INJECTIONS, _UNRELATED),
    _fault("SNR without the noise correlation", "kernels/noise.py", "variance = pair_sum(image >= level, lags)", "variance = float((image >= level).sum())", NOISE, "test_arc_snr_of_a_flat_arc_is_its_flux_over_the_noise_of_its_area"),
    _fault("annulus SNR without the noise correlation", "kernels/noise.py", "return total / count / (sigma * np.sqrt(correlation))", "return total / count / sigma", CALIBRATION, "test_pixel_snr_of_the_conditions_is_that_of_the_depth"),
    # What the pixels are held against.
    _fault("any configured gain accepted", "injections/physics.py", "if not 1 / FACTOR_MAX <= given / measured <= FACTOR_MAX:", "if given <= 0:", INJECTIONS, "test_a_gain_of_150_electrons_is_refused_with_both_numbers"),
    _fault("beta changed, core width kept", "injections/trials.py", "fwhm = light.moffat_fwhm(hosts[\"psfsize\"].transpose(\"galaxy\", \"band\").values.astype(float), moffat_beta)", "pass", INJECTIONS, "test_every_moffat_of_the_bracket_has_the_width_of_psfsize"),
    _fault("source counts fall towards the faint end", "injections/priors.py", 'span = prior["slope"] * (high - low)', 'span = -prior["slope"] * (high - low)', CALIBRATION, "test_counts_follow_ten_to_the_slope_times_magnitude"),
)  # fmt: skip
