"""The faults of physics and statistics that the suite must notice, and the tests that are asked."""

from harness import Fault

LENSING, SAMPLING = "kernels/test_lensing.py::", "kernels/test_sampling.py::"
LIGHT, NOISE, PSF = "kernels/test_light.py::", "kernels/test_noise.py::", "kernels/test_convolution.py::"
SHOT, POISSON = "kernels/test_shot.py::", "kernels/test_poisson.py::"
INJECTIONS, CALIBRATION = "stages/test_injections.py::", "stages/test_calibration.py::"


KINDS, RECOVERY, INTERVALS, RANKING = (
    "stages/test_kinds.py::",
    "kernels/test_recovery.py::",
    "kernels/test_intervals.py::",
    "kernels/test_ranking.py::",
)
COMPLETENESS, COVERAGE, FAILURES, SCORES = (
    "stages/test_completeness.py::",
    "stages/test_coverage.py::",
    "stages/test_failures.py::",
    "stages/test_scores.py::",
)
SHARES, DETECTOR, LEAKS, REALISM = (
    "kernels/test_shares.py::",
    "stages/test_detector.py::",
    "stages/test_leaks.py::",
    "stages/test_realism.py::",
)


JUDGING, JUDGEMENT = "kernels/test_judging.py::", "stages/test_judgement.py::"
MORE_BANDS = "stages/test_more_bands.py::"


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
_TIED = "test_a_score_at_the_threshold_is_a_detection_in_every_table"
_QUANTILES = "test_quantiles_of_cells_and_averages_are_those_of_the_prior_that_the_settings_name"
_BOTH_SNR = "test_both_snr_of_an_arc_are_those_of_its_light_in_r_and_the_noise_of_r"
_ANNULUS = "test_annulus_snr_of_quality_is_the_mean_over_the_noise_of_r"
_THIRD = "test_each_of_three_bands_and_of_three_measures_is_asked_at_a_third_of_the_level"
_EXTINCTION = "test_fluxes_are_dereddened_in_colours_and_nowhere_else"
_DIMMED = "test_light_of_the_classes_is_dereddened_once"
_LEAK = "test_a_leak_of_each_kind_fails"
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
    _fault("batch: atan where atanh belongs", "kernels/rays.py", "alpha_v = scale * atanh_ratio(f * v, psi)", "alpha_v = scale * select(v >= _f4(0.0), atan_ratio(abs(f * v), psi), -atan_ratio(abs(f * v), psi))", LENSING, _BATCH),
    _fault("batch: q where q^2 belongs", "kernels/rays.py", "_f4(q * q), _f4(f)", "_f4(q), _f4(f)", LENSING, _BATCH),
    _fault("batch: Einstein radius of the major axis", "kernels/rays.py", "_f4(theta_e * math.sqrt(q) / f)", "_f4(theta_e * q / f)", LENSING, _BATCH),
    _fault("batch: sign of the shear", "kernels/rays.py", "- g2 * x + g1 * y", "- g2 * x - g1 * y", LENSING, _BATCH),
    _fault("batch: centre of the lens left out", "kernels/rays.py", "dx, dy = x - lens_x, y - lens_y\n", "dx, dy = x, y\n", LENSING, _BATCH),
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
    _fault("zeropoint 25", "schema/facts.py", "ZEROPOINT = 22.5", "ZEROPOINT = 25.0", INJECTIONS, _FLUX),
    # The priors.
    _fault("offsets uniform in radius", "injections/priors.py", "return np.sqrt(low**2 + u * (high**2 - low**2))", "return low + u * (high - low)", INJECTIONS, _OF_RECORD),
    _fault("sign of a colour", "injections/priors.py", 'drawn["mag_r"] + gr', 'drawn["mag_r"] - gr', INJECTIONS, _OF_RECORD),
    _fault("source position not about the lens", "injections/priors.py", 'drawn["lens_x"] + offset * np.cos(angle)', "offset * np.cos(angle)", INJECTIONS, _OF_RECORD),
    _fault("any small magnification accepted", "injections/priors.py", "near = near[(value[near] >= low * (1 - slack)) & (value[near] <= high * (1 + slack))]", "near = near[value[near] <= high * (1 + slack)]", INJECTIONS, "test_both_ends_of_the_range_of_the_magnification_are_kept"),
    _fault("any large magnification accepted", "injections/priors.py", "near = near[(value[near] >= low * (1 - slack)) & (value[near] <= high * (1 + slack))]", "near = near[value[near] >= low * (1 - slack)]", INJECTIONS, "test_both_ends_of_the_range_of_the_magnification_are_kept"),
    # The PSF and the grid.
    _fault("PSFSIZE used as FWHM", "kernels/light.py", "return psfsize * 4 * (beta - 1) * scale / PSFSIZE_PER_SIGMA", "return psfsize * np.ones_like(scale)", LIGHT, "test_core_width_over_psfsize_is_the_one_of_the_conventions", "test_a_moffat_image_has_the_noise_equivalent_area_of_its_psfsize"),
    _fault("batch: PSFSIZE used as FWHM", "injections/host_pixels.py", 'for name in ("psf_fwhm_core", "psf_beta"))\n', 'for name in ("psfsize", "psf_beta"))\n', INJECTIONS, _PUBLIC),
    _fault("the pixel put in twice", "kernels/convolution.py", "factor if includes_pixel else factor * np.sinc(f)", "factor * np.sinc(f) if includes_pixel else factor", PSF, "test_gaussians_convolve_to_a_gaussian_of_both_widths", "test_an_optical_psf_is_given_the_pixel"),
    _fault("PSF off centre", "kernels/convolution.py", "shift = psf_shape[axis - 2] // 2 +", "shift = psf_shape[axis - 2] // 2 + axis +", PSF, "test_gaussians_convolve_to_a_gaussian_of_both_widths"),
    _fault("wrap-around", "kernels/convolution.py", "size = max(pixels + psf_pixels // 2, psf_pixels)", "size = max(pixels, psf_pixels)", PSF, "test_the_torus_is_large_enough_and_of_small_primes"),
    _fault("samples of a cell mirrored", "kernels/spreading.py", "add_outer(padded, first, width, low, high, low, high,", "add_outer(padded, first, width, high, low, low, high,", SAMPLING, "test_nodes_shared_four_at_a_time_are_the_nodes_shared_one_by_one"),
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
    _fault("resampling that loses flux", "kernels/noise.py", "out[i] /= plane[0].sum() + 2 * plane[1:].sum()", "out[i] /= np.sqrt((out[i] ** 2).sum())", SHOT, _RESAMPLED),
    _fault("power where its root belongs", "kernels/noise.py", "math.sqrt(max(root[k], 0.0))", "max(root[k], 0.0)", SHOT, "test_shot_noise_is_correlated_as_the_sky", "test_shot_noise_is_that_of_its_slow_twin"),
    _fault("lags mirrored", "kernels/noise.py", "lags = tables[i].reshape(tables[i].size)", "lags = tables[i, :, ::-1].copy().reshape(tables[i].size)", SHOT, "test_shot_noise_is_that_of_its_slow_twin"),
    _fault("RNG shared between bands", "injections/trials.py", 'f"shot noise {band}"', '"shot noise"', INJECTIONS, _UNRELATED),
    _fault("RNG shared between trials", "injections/trials.py", "noise_ids(self.ids[rows])", "0 * noise_ids(self.ids[rows])", INJECTIONS, _UNRELATED),
    _fault("SNR without the noise correlation", "kernels/noise.py", "variance = pair_sum(image >= level, lags)", "variance = float((image >= level).sum())", NOISE, "test_arc_snr_of_a_flat_arc_is_its_flux_over_the_noise_of_its_area"),
    _fault("annulus SNR without the noise correlation", "kernels/noise.py", "return total / count / (sigma * np.sqrt(correlation))", "return total / count / sigma", CALIBRATION, "test_pixel_snr_of_the_conditions_is_that_of_the_depth"),
    # What the pixels are held against.
    _fault("any configured gain accepted", "injections/physics.py", "if not 1 / FACTOR_MAX <= given / measured <= FACTOR_MAX:", "if given <= 0:", INJECTIONS, "test_a_gain_of_150_electrons_is_refused_with_both_numbers"),
    _fault("beta changed, core width kept", "injections/host_pixels.py", "fwhm = light.moffat_fwhm(hosts[\"psfsize\"].transpose(\"galaxy\", \"band\").values.astype(float), moffat_beta)", "pass", INJECTIONS, "test_every_moffat_of_the_bracket_has_the_width_of_psfsize"),
    _fault("source counts fall towards the faint end", "injections/priors.py", 'span = prior["slope"] * (high - low)', 'span = -prior["slope"] * (high - low)', CALIBRATION, "test_counts_follow_ten_to_the_slope_times_magnitude"),
    # Extinction.
    _fault("psfdepth without extinction", "objects/galaxies.py", 'out["galaxy_id"] = _key(raw)\n', 'out["galaxy_id"] = _key(raw)\n    out["psfdepth_r"] = np.asarray(out["psfdepth_r"]) + 2.5 * np.log10(raw["MW_TRANSMISSION_R"].to_numpy("f8"))\n', KINDS, _EXTINCTION),
    _fault("colours with extinction", "objects/galaxies.py", "np.divide(flux, transmission, out=np.full_like(flux, np.nan), where=share)", "flux", KINDS, _EXTINCTION),
    _fault("dereddened twice in the classes", "manifest/class_sky.py", "return np.divide(flux, transmission, out=", "return np.divide(flux, transmission**2, out=", KINDS, _DIMMED),
    _fault("neighbour with its extinction", "manifest/class_sky.py", "share = dereddened(flux[second], transmission[second]) / own[first]", "share = flux[second] / own[first]", KINDS, "test_a_neighbours_share_is_that_of_light_without_extinction_on_both_sides"),
    # Scores at the threshold.
    _fault("recovered above the threshold only", "failures/lenses.py", "int((own & (score >= threshold)).sum())", "int((own & (score > threshold)).sum())", KINDS, _TIED + "[recovered]"),
    _fault("missed at the threshold", "failures/rates.py", "below = score < threshold", "below = score <= threshold", KINDS, _TIED + "[missed]"),
    _fault("false positives above the threshold only", "failures/rates.py", "found = score >= threshold", "found = score > threshold", KINDS, _TIED + "[false positives]"),
    _fault("missed lenses at the threshold", "failures/lenses.py", '(lenses["score"].to_numpy(float) >= threshold)', '(lenses["score"].to_numpy(float) > threshold)', KINDS, _TIED + "[missed lenses]"),
    _fault("missed lenses at a rounded threshold", "failures/lenses.py", '(lenses["score"].to_numpy(float) >= threshold)', '(lenses["score"].to_numpy("f4") >= threshold)', KINDS, "test_a_threshold_between_two_floats_of_the_scores_is_not_rounded"),
    _fault("tally above the threshold only", "kernels/likeness.py", "count(values >= threshold)", "count(values > threshold)", KINDS, _TIED + "[tally]"),
    _fault("changes above the threshold only", "experiments/paired.py", "np.isfinite(score), score >= threshold", "np.isfinite(score), score > threshold", KINDS, _TIED + "[changes]", _TIED + "[base of changes]"),
    _fault("thresholds that part equal scores", "scores/rates.py", "values[allowed] == values[allowed - 1]", "values[allowed] > values[allowed - 1]", SCORES, "test_equal_scores_stay_together_and_the_rate_reached_is_told"),
    _fault("thresholds of the test split", "scores/rates.py", '(table["split"] == "val") & table["negative"] & np.isfinite', '(table["split"] == "test") & table["negative"] & np.isfinite', SCORES, "test_threshold_is_the_lowest_that_keeps_the_rate"),
    _fault("thresholds in single precision", "scores/rates.py", 'np.sort(chosen["score"].to_numpy())', 'np.sort(chosen["score"].to_numpy(np.float32))', SCORES, "test_thresholds_keep_the_digits_of_the_scores"),
    _fault("calibration parts equal probabilities", "kernels/reliability.py", "own = number[middle][tie]", 'own = number[np.argsort(np.argsort(values, kind="stable"), kind="stable")]', DETECTOR, "test_a_constant_probability_at_the_prevalence_has_no_calibration_error_in_any_order"),
    # Priors, and what shared hosts cost.
    _fault("hosts without a scored trial counted", "completeness/counts.py", "(n > 0).sum(-1) for _, n, _ in", "(n >= 0).sum(-1) for _, n, _ in", COMPLETENESS, "test_hosts_are_those_with_a_scored_trial_at_this_theta_e"),
    _fault("quantiles with a uniform prior", "completeness/posterior.py", "[q], settings.prior)[..., 0]", '[q], "uniform")[..., 0]', COMPLETENESS, _QUANTILES + "[jeffreys]"),
    _fault("averages with a uniform prior", "completeness/averaging.py", "[q], prior)[..., 0]", '[q], "uniform")[..., 0]', COMPLETENESS, _QUANTILES + "[jeffreys]"),
    _fault("averaged quantiles reversed", "completeness/averaging.py", "[q], prior)[..., 0] for q in schema.QUANTILES]", "[q], prior)[..., 0] for q in schema.QUANTILES[::-1]]", COMPLETENESS, _QUANTILES),
    _fault("a prior for each cell of an average", "kernels/shares.py", "(weight * k / n).sum(-1)", "(weight * (k + 0.5) / (n + 1)).sum(-1)", SHARES, "test_the_mean_is_that_of_the_plain_shares_whatever_the_design_effect"),
    _fault("average without the design effect", "kernels/shares.py", "own * (1 - own) * effect / n", "own * (1 - own) / n", SHARES, "test_many_like_cells_count_as_all_their_trials"),
    _fault("test rate predicted with a uniform prior", "failures/gates.py", "intervals.above_order_statistic(false, negatives)))", 'intervals.shapes(false, negatives, "uniform")))', KINDS, "test_the_prediction_of_the_test_rate_is_that_of_a_threshold_set_at_its_own_negative"),
    _fault("rate of a threshold as if it were counted", "scores/rates.py", "intervals.rate_interval(n_false, values.size, level)", 'intervals.interval(n_false, values.size, level, "uniform")', SCORES, "test_interval_of_the_rate_covers_the_true_rate[1]"),
    _fault("order statistic one rank off", "kernels/intervals.py", "return rank, n + 1 - rank", "return rank + 0.5, n + 0.5 - rank", INTERVALS, "test_the_rate_of_a_threshold_set_at_its_own_kth_negative_is_exact"),
    _fault("two tails between none and one", "kernels/intervals.py", "(1 - level) * _share_below(k, n)", "np.full(k.shape, (1 - level) / 2)", INTERVALS, "test_ends_grow_with_k_without_a_jump_and_levels_are_nested[3.3-jeffreys-equal-tailed]"),
    _fault("likeness from pairs of detections", "kernels/likeness.py", "scatter = divide(found * total - (k * n).sum(-1) - found**2 + (k**2).sum(-1), different)", "scatter = share - divide(found**2 - (k**2).sum(-1), different)", RECOVERY, "test_found_and_missed_tell_the_same"),
    _fault("middle of the rise decides for all", "kernels/recovery.py", "borrowed * divide(1.0, others) * like", "borrowed * divide(1.0, others)", RECOVERY, "test_a_column_where_little_is_found_is_not_told_by_the_middle_of_the_rise"),
    _fault("design effect of one trial more", "kernels/recovery.py", "return 1 + (mean - 1) * rho", "return 1 + mean * rho", RECOVERY, "test_design_effect_counts_trials_of_equal_hosts"),
    _fault("few hosts as many", "kernels/recovery.py", "(np.asarray(effect, float) - 1) * ratio**2", "(np.asarray(effect, float) - 1) * ratio", RECOVERY, "test_an_interval_of_few_hosts_takes_students_quantile_for_what_hosts_add"),
    _fault("cube that forgets how few its hosts are", "completeness/posterior.py", "recovery.widened(effect, freedom, level, scatter) if level else effect", "effect", COVERAGE, "test_the_simulated_cubes_are_those_of_the_stage"),
    _fault("an interval from any number of hosts", "completeness/posterior.py", "trials = np.where(told, trials, 0.0)", "pass", COVERAGE, "test_three_hosts_of_a_lone_cell_have_no_interval_and_the_cube_says_why"),
    _fault("cells near one half decide for all", "kernels/likeness.py", "weight = divide(1.0, share * (1 - share))", "weight = np.ones(share.shape)", RECOVERY, "test_cells_of_all_completenesses_count_alike_in_the_correlation"),
    _fault("both halves of the hosts are all of them", "kernels/recovery.py", "pair_sums(n[..., i::2], k[..., i::2])", "pair_sums(n, k)", RECOVERY, "test_two_halves_of_the_hosts_tell_by_how_much_correlations_differ_between_cells"),
    _fault("mixture wide in the middle", "kernels/recovery.py", "(z**2 - 3) / 8", "(3 - z**2) / 8", RECOVERY, "test_the_quantiles_of_cells_that_differ_are_those_of_a_mixture"),
    _fault("hosts of a cell not counted", "kernels/recovery.py", "(np.asarray(hosts, float) >= HOSTS_MIN)", "(np.asarray(hosts, float) > 0)", RECOVERY, "test_a_cell_of_few_hosts_has_no_interval_though_others_tell_how_alike_trials_are"),
    _fault("hosts counted once for each radius", "kernels/recovery.py", "sets = own.max(0) if own.ndim > 1 and own.size else own", "sets = own", RECOVERY, "test_few_hosts_tell_nothing"),
    _fault("cells that differ taken as alike", "completeness/posterior.py", "np.where(np.nan_to_num(rho) > 0, square * change**2, 0.0)", "np.where(np.nan_to_num(rho) > 0, 0.0, 0.0)", COVERAGE, "test_the_simulated_cubes_are_those_of_the_stage"),
    _fault("mid-p of a tie from the whole chance", "kernels/twosamples.py", "else 1 - middle / 2", "else 1 - middle", "kernels/test_twosamples.py::", "test_mid_p_of_three_lost_and_three_won_is_the_published_number"),
    # Edges.
    _fault("bins hold their upper edge", "grid.py", 'np.searchsorted(np.asarray(edges, float), values, "right") - 1', 'np.searchsorted(np.asarray(edges, float), values, "left") - 1', COMPLETENESS, "test_every_bin_of_the_occupancy_holds_its_lower_edge_and_not_its_upper_one", "test_query_finds_the_cell_that_holds_a_point_and_none_outside"),
    _fault("above the grid is in its last bin", "grid.py", "(found >= 0) & (found < len(edges) - 1)", "found >= 0", COMPLETENESS, "test_query_finds_the_cell_that_holds_a_point_and_none_outside"),
    _fault("brick and release in each other's bits", "keys.py", "OBJID_BITS, BRICK_BITS, RELEASE_BITS = 22, 20, 16", "OBJID_BITS, BRICK_BITS, RELEASE_BITS = 22, 16, 20", "vocabulary/test_keys.py::", "test_what_is_packed_is_unpacked", "test_what_has_no_room_does_not_fit"),
    _fault("sky without conditions forgotten", "completeness/sky.py", '{"area_total": float(area.sum())}', '{"area_total": float(area[np.isfinite(psf) & np.isfinite(depth)].sum())}', COMPLETENESS, "test_all_sky_counts_also_where_its_conditions_are_not_known"),
    # Areas under the curve, collapses, alarms.
    _fault("no lens added to the area", "kernels/ranking.py", "PSEUDO = 0.5", "PSEUDO = 0.0", RANKING, "test_lower_end_is_delongs_on_the_logit_with_half_a_lens_at_the_median"),
    _fault("a constant detector without a width", "kernels/ranking.py", "ties = _tie_variance(positives, negatives)", "ties = 1e-30", RANKING, "test_a_constant_detector_has_the_width_of_one_that_knows_nothing"),
    _fault("a worse order with a higher end", "kernels/ranking.py", "min(lower, exact)", "lower", RANKING, "test_one_pair_out_of_order_moves_the_lower_end_a_little_and_never_up"),
    _fault("one half is better than chance", "scores/gates.py", "float(np.nextafter(0.5, 1))", "0.5", SCORES, "test_a_lower_end_at_one_half_is_no_better_than_chance"),
    # The judgement of scores.
    _fault("precision at the share of the sample", "kernels/precision.py", "found = prevalence * np.asarray(recall, float)", "found = 0.5 * np.asarray(recall, float)", JUDGING, "test_precision_is_bayes_rule", "test_a_perfect_order_has_precision_one_and_a_constant_score_the_prevalence"),
    _fault("classes weighed as sampled", "kernels/reliability.py", "own = np.where(positive, weights, 0), np.where(positive, 0, weights)\n", "own = np.where(positive, weights, 0), np.where(positive, 0, weights)\n    prevalence = own[0].sum(-1, keepdims=True) / weights.sum(-1, keepdims=True)\n", JUDGING, "test_proper_scores_are_those_of_scikit_learn"),
    _fault("calibration error by quantiles of resamples", "kernels/reliability.py", "np.quantile(np.abs(resampled - misses).sum(1), tail)", "(error - np.quantile(np.abs(resampled).sum(1), 1 - tail))", JUDGING, "test_interval_of_the_calibration_error_holds_it_whether_calibrated_or_not[60-400-2-0.3-1-0]"),
    _fault("average precision without a negative above all", "scores/curves.py", "np.nextafter(sample.score.max(), np.inf)]", "np.nextafter(sample.score.min(), -np.inf)]", JUDGEMENT, "test_a_perfect_order_has_an_average_precision_whose_lower_end_is_below_one"),
    _fault("Holm without stepping down", "kernels/rankcorrelation.py", "np.maximum.accumulate((p.size - np.arange(p.size)) * p[order])", "p.size * p[order]", JUDGING, "test_holm_steps_down"),
    _fault("calibrators fitted on the split test", "scores/calibrators.py", "FITS[name](fitted_on.score, fitted_on.positive, prevalence)", "FITS[name](judged_on.score, judged_on.positive, prevalence)", JUDGEMENT, "test_calibrators_are_fitted_on_val_alone_and_the_shipped_one_stays"),
    _fault("a negative matched to two lenses", "scores/shortcuts.py", "free[near] = False", "free[near] = True", JUDGEMENT, "test_negatives_are_matched_to_lenses_and_none_serves_twice"),
    _fault("collapse below the mean of both sides", "failures/collapse.py", "np.where(there, np.minimum(left, right), 0)", "np.where(there, (left + right) / 2, 0)", FAILURES, "test_no_rise_is_a_collapse_however_steep_or_convex"),
    _fault("insufficient cells judged", "failures/collapse.py", 'sufficient = sufficient & cube["sufficient"]', 'sufficient = sufficient | cube["sufficient"]', FAILURES, "test_insufficient_cells_are_neither_judged_nor_neighbours"),
    _fault("p of the structure asked three times", "realism/structure.py", "adjusted = min(1.0, len(STRUCTURE) * p)", "adjusted = p", REALISM, _THIRD),
    _fault("p of the noise asked three times", "realism/noise.py", "adjusted = min(1.0, len(bands) * p)", "adjusted = p", REALISM, _THIRD),
    _fault("anchors drawn without their matches", "kernels/quantiles.py", "chosen[:, own[len(first) :]]", "rng.permuted(chosen, axis=1)[:, own[len(first) :]]", REALISM, "test_an_anchor_is_drawn_with_its_matches"),
    _fault("differences of weighted trials by their number", "selection/differences.py", "worth = equal / recovery", "worth = n / recovery", "stages/test_combining.py::", "test_intervals_of_differences_hold_the_truth_where_hosts_have_weights[1.5]"),
    _fault("recapture without half a lens in each field", "kernels/recapture.py", "first - both + 0.5, second - both + 0.5", "first - both + 1e-9, second - both + 1e-9", "kernels/test_recapture.py::", "test_a_list_within_another_is_no_census"),
    _fault("weights of coarse pixels taken as they are", "injections/trials.py", 'if "camera_pixel_area" in self.hosts:', "if False:", INJECTIONS, "test_weights_of_pixels_that_share_the_noise_of_coarser_ones_are_held_against_the_gain_as_such"),
    _fault("candidates of a strip from that strip alone", "kernels/candidates.py", "slice(starts[strip], starts[strip + 3])", "slice(starts[strip + 1], starts[strip + 2])", "kernels/test_matching.py::", "test_lists_cut_into_strips_have_the_pairs_of_whole_ones[centre1-20.0-1]"),
    # Planes, bands, units, seeds.
    _fault("i of a source halfway between r and z", "kernels/magnitudes.py", "mag_r + I_SHARE * (mag_z - mag_r)", "mag_r + 0.5 * (mag_z - mag_r)", MORE_BANDS, "test_i_lies_on_the_power_law_between_r_and_z"),
    _fault("blank skies drawn by the place of the band", "experiments/views.py", 'f"blank sky {numbers[band]}"', 'f"blank sky {band}"', MORE_BANDS, "test_the_blank_sky_of_z_is_the_same_with_i_and_without"),
    _fault("psfsize at the transposed pixel", "io/survey/bricks.py", "np.stack([row, column], axis=1), 1)", "np.stack([column, row], axis=1), 1)", KINDS, "test_psfsize_of_a_galaxy_is_that_of_its_own_pixel_and_band"),
    _fault("annulus SNR of quality with the noise of g", "quality/measures.py", "correlation[..., red]) / sigma[..., red]", "correlation[..., 0]) / sigma[..., red]", KINDS, _ANNULUS, "test_measures_in_r_follow_r_alone"),
    _fault("annulus SNR of quality, correlation upside down", "quality/measures.py", 'areas["annulus"].sum() / correlation[..., red]', 'areas["annulus"].sum() * correlation[..., red]', KINDS, _ANNULUS),
    _fault("annulus of a trial in arcsec", "injections/trials.py", "theta_e / schema.PIXEL_SCALE, (middle, middle)", "theta_e, (middle, middle)", KINDS, _BOTH_SNR),
    _fault("arc SNR in r with the noise of g", "injections/trials.py", "sigma[:, red], correlation[:, red], lags[:, red].astype(float)", "sigma[:, 0], correlation[:, 0], lags[:, 0].astype(float)", KINDS, _BOTH_SNR),
    _fault("shot noise of any seed", "injections/trials.py", 'draws.hashes(self.seed, f"shot noise {band}"', 'draws.hashes(0, f"shot noise {band}"', KINDS, "test_shot_noise_is_that_of_the_runs_seed"),
    _fault("unit of the noise from the image with its arc", "realism/measures.py", "outside = arcs.fine_noise(reference[row, band])[ring]", "outside = arcs.fine_noise(images[row, band])[ring]", KINDS, "test_the_unit_of_the_noise_is_that_of_the_stamp_before_its_arc"),
    # The detector.
    _fault("cosine one step ahead", "detector/fitting.py", "math.cos(math.pi * step / steps)", "math.cos(math.pi * (step + 1) / steps)", DETECTOR, "test_the_learning_rate_falls_as_half_a_cosine_from_its_full_value"),
    _fault("calibrated on training rows", "detector/training.py", "    logits = np.concatenate(\n        [draft", "    selection = batches.Selection(selection.positives, selection.negatives, np.sort(np.concatenate([selection.positives, selection.negatives[:200]])), selection.counts)\n    logits = np.concatenate(\n        [draft", DETECTOR, "test_probabilities_are_fitted_on_the_validation_rows_and_on_no_other"),
    _fault("masks dropped", "detector/frozen.py", "images = unmasked(images)", "images = np.asarray(images)", DETECTOR, "test_masked_pixels_are_unobserved_ones[f4]"),
    _fault("leaks not looked for", "leaks.py", "(chosen & found.rows).sum()", "0", LEAKS, _LEAK + "[by id-X.2.hosts]", _LEAK + "[by id-X.2.negatives]"),
    _fault("leaks by id only", "leaks.py", "    if there.size:\n", "    if False:\n", LEAKS, _LEAK + "[by position alone-X.2.hosts]"),
    _fault("ids of another sky believed", "leaks.py", 'if bool(survey.get("mock")) != here["mock"]:', "if False:", LEAKS, "test_ids_of_another_sky_that_coincide_are_other_galaxies"),
    _fault("a list that is not there taken for an empty one", "leaks.py", "    if not ids.size:\n", "    if False:\n", LEAKS, "test_what_is_not_known_is_not_judged"),
    _fault("categories by one spelling", "quality/lookalikes.py", "_CATEGORIES.get(_plain(name), name.strip())", "name.strip()", "stages/test_lookalikes.py::", "test_spellings_of_one_category_meet_in_the_claims_and_their_counts"),
)  # fmt: skip
