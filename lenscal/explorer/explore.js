"use strict";
(() => {
const data = window.LENSCAL, cube = data.cube, at = { theta_e: 0, psf_fwhm: 0, depth: 0, threshold: 0, population: 0 };
const units = { theta_e: "arcsec", psf_fwhm: "arcsec", depth: "mag" };
const by = id => document.getElementById(id);

// cividis, nine points of it: even in brightness, and the same to all eyes
const RAMP = [[0, 34, 78], [18, 53, 112], [59, 73, 109], [87, 92, 109], [112, 113, 115], [138, 135, 121], [166, 157, 117], [196, 181, 108], [234, 209, 86]];
function colour(value) {
  const place = Math.min(Math.max(value, 0), 1) * (RAMP.length - 1), low = Math.min(Math.floor(place), RAMP.length - 2);
  return RAMP[low].map((c, i) => Math.round(c + (RAMP[low + 1][i] - c) * (place - low)));
}
const css = value => `rgb(${colour(value).join(",")})`;
const percent = value => value === null || value === undefined ? "–" : Math.round(100 * value).toString();

const fixed = (value, digits) => value === null || value === undefined ? "unknown" : value.toFixed(digits);

function made(name, attributes, ...children) {
  const svg = ["path", "line", "circle", "text", "rect", "polyline"].includes(name);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function cell(name, t, p, d) {
  const values = cube[name];
  return values ? values[at.population][t][p][d][at.threshold] : null;
}

function told(t, p, d) {
  if (!cell("trials", t, p, d)) return "no data: no host of the survey has these conditions";
  const middle = percent(cell("middle", t, p, d)), low = percent(cell("lower", t, p, d)), high = percent(cell("upper", t, p, d));
  const interval = low === "–" ? "too few hosts for an interval" : `${low} to ${high} %`;
  const total = cell("totalLower", t, p, d) === null ? "" : `; with systematic errors ${percent(cell("totalLower", t, p, d))} to ${percent(cell("totalUpper", t, p, d))} %`;
  return `${middle} % (${interval}${total}); ${cell("detected", t, p, d)} of ${cell("trials", t, p, d)} trials found, on ${cell("hosts", t, p, d)} hosts`;
}

function slice() {
  const { theta_e, psf_fwhm } = cube.axes, d = at.depth, focused = document.activeElement && document.activeElement.id;
  const head = made("tr", null, made("th", null, "seeing \\ θE [″]"), ...theta_e.map(v => made("th", { scope: "col" }, String(v))));
  const rows = psf_fwhm.map((seeing, p) => made("tr", null, made("th", { scope: "row" }, `${seeing}″`), ...theta_e.map((radius, t) => {
    const middle = cell("middle", t, p, d), low = cell("lower", t, p, d), none = !cell("trials", t, p, d);
    const button = made("button", { type: "button", id: `cell-${t}-${p}`, "aria-pressed": String(t === at.theta_e && p === at.psf_fwhm),
      "aria-label": `Einstein radius ${radius}, seeing ${seeing}: ${told(t, p, d)}` });
    if (none) { button.className = "none"; button.append("–"); }
    else {
      if (!cell("sufficient", t, p, d)) button.className = "few";
      const [r, g, b] = colour(middle);
      button.style.background = `rgb(${r},${g},${b})`;
      button.style.color = 0.299 * r + 0.587 * g + 0.114 * b > 125 ? "#000" : "#fff";
      button.append(`${percent(middle)} %`, made("small", null, low === null ? "no interval" : `${percent(low)}–${percent(cell("upper", t, p, d))}`));
    }
    button.addEventListener("click", () => choose({ theta_e: t, psf_fwhm: p }));
    return made("td", null, button);
  })));
  by("slice").replaceChildren(made("thead", null, head), made("tbody", null, ...rows));
  if (focused && focused.startsWith("cell-") && by(focused)) by(focused).focus({ preventScroll: true });
}

function curve() {
  const W = 760, H = 300, left = 84, bottom = 52, radii = cube.axes.theta_e, svg = by("curve");
  svg.setAttribute("viewBox", `0 0 ${W} ${H}`);
  const span = radii.length > 1 ? radii[radii.length - 1] - radii[0] : 1;
  const x = v => left + 24 + (W - left - 60) * (v - radii[0]) / span, y = v => 14 + (H - bottom - 14) * (1 - v);
  const parts = [0, 0.25, 0.5, 0.75, 1].flatMap(v => [made("line", { x1: left, x2: W - 12, y1: y(v), y2: y(v), stroke: "#ddd" }),
    made("text", { x: left - 8, y: y(v) + 5, "text-anchor": "end" }, `${100 * v} %`)]);
  const every = Math.ceil(radii.length / 8);
  radii.forEach((v, t) => { if (t % every === 0) parts.push(made("text", { x: x(v), y: H - 28, "text-anchor": "middle" }, String(v))); });
  parts.push(made("text", { x: (left + W) / 2, y: H - 6, "text-anchor": "middle" }, "Einstein radius [arcsec]"));
  const known = radii.map((v, t) => ({ v, t })).filter(o => cell("trials", o.t, at.psf_fwhm, at.depth));
  const get = (name, o) => cell(name, o.t, at.psf_fwhm, at.depth);
  const sure = known.filter(o => get("lower", o) !== null);
  if (sure.length) {
    const up = sure.map(o => `${x(o.v)},${y(get("upper", o))}`), down = sure.map(o => `${x(o.v)},${y(get("lower", o))}`).reverse();
    parts.push(made("path", { d: `M${[...up, ...down].join("L")}Z`, fill: "#56b4e9", "fill-opacity": 0.35 }));
    for (const o of sure) if (get("totalLower", o) !== null && get("totalLower", o) !== undefined)
      parts.push(made("line", { x1: x(o.v), x2: x(o.v), y1: y(get("totalLower", o)), y2: y(get("totalUpper", o)), stroke: "#777", "stroke-dasharray": "3 3" }));
  }
  parts.push(made("polyline", { points: known.map(o => `${x(o.v)},${y(get("middle", o))}`).join(" "), fill: "none", stroke: "#0072b2", "stroke-width": 2 }));
  for (const o of known) parts.push(made("circle", { cx: x(o.v), cy: y(get("middle", o)), r: o.t === at.theta_e ? 7 : 4.5, fill: get("sufficient", o) ? "#0072b2" : "#fff", stroke: "#0072b2", "stroke-width": 2 }));
  svg.replaceChildren(...parts);
  by("curve-told").textContent = `Seeing ${cube.axes.psf_fwhm[at.psf_fwhm]}″, depth ${cube.axes.depth[at.depth]} mag. Band: 68.27 % interval of the trials; dashed: with systematic errors; open marks: too few trials or hosts.`;
}

function pixels(sheet, index, columns, count) {
  const rows = Math.ceil(count / columns), row = Math.floor(index / columns), column = index % columns;
  const part = (n, k) => n > 1 ? 100 * k / (n - 1) : 0;
  const box = made("span", { class: "pixels" });
  box.style.backgroundImage = `url("${sheet}")`;
  box.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
  box.style.backgroundPosition = `${part(columns, column)}% ${part(rows, row)}%`;
  return box;
}

function stamps() {
  const found = data.trials.find(o => o.cell[0] === at.theta_e && o.cell[1] === at.psf_fwhm && o.cell[2] === at.depth);
  const threshold = cube.thresholds[at.threshold];
  by("cell-told").textContent = found
    ? `${found.trials.length} of its trials, half of them found and half missed as far as there are, evenly spread in score; ${data.stamp} px of ${data.pixel}″, North up, East left.`
    : "This cell has no injections.";
  by("stamps").replaceChildren(...(found ? found.trials.map((o, i) => {
    const hit = o.score !== null && o.score >= threshold;
    return made("li", { class: hit ? "found" : "missed" }, pixels(found.sheet, i, 4, found.trials.length), made("b", null, hit ? "found" : "missed"),
      `score ${fixed(o.score, 2)}`, made("br"), `θE ${fixed(o.thetaE, 2)}″, SNR ${fixed(o.snr, 0)}`, made("br"), `source r ${fixed(o.magnitude, 1)}`, made("br"), made("small", null, `host ${o.host}`));
  }) : []));
}

function wrong() {
  const { rows, all, sheet, columns } = data.falsePositives, name = by("class").value;
  const some = rows.map((o, i) => ({ o, i })).filter(e => !name || e.o.class === name);
  by("false-told").textContent = rows.length
    ? `${all} negatives outside the training split reach the first threshold; ${some.length} shown, highest scores first.`
    : "No negative outside the training split reaches the first threshold.";
  by("false").replaceChildren(...some.map(({ o, i }) => {
    const place = `${o.ra.toFixed(4)}, ${o.dec.toFixed(4)}`;
    const where = o.link ? made("a", { href: o.link, rel: "noreferrer" }, place) : place;
    return made("li", null, pixels(sheet, i, columns, rows.length), made("b", null, o.class), `score ${fixed(o.score, 2)}, ${o.pool}`, made("br"), where,
      made("br"), `seeing ${fixed(o.seeing, 2)}″, depth ${fixed(o.depth, 1)}`);
  }));
  const svg = by("places"), W = 760, H = 320;
  svg.setAttribute("viewBox", `0 0 ${W} ${H}`);
  if (!rows.length) { svg.replaceChildren(); return; }
  const ends = key => { const v = rows.map(o => o[key]), low = Math.min(...v), high = Math.max(...v), room = (high - low || 1) * 0.06; return [low - room, high + room]; };
  const [west, east] = ends("ra"), [south, north] = ends("dec");
  const x = v => W - 20 - (W - 90) * (v - west) / (east - west), y = v => 14 + (H - 70) * (north - v) / (north - south);
  const parts = [made("rect", { x: 70, y: 14, width: W - 90, height: H - 70, fill: "none", stroke: "#bbb" })];
  for (const f of [0, 0.5, 1]) {
    parts.push(made("text", { x: x(west + f * (east - west)), y: H - 34, "text-anchor": f === 0 ? "end" : f === 1 ? "start" : "middle" }, (west + f * (east - west)).toFixed(1)));
    parts.push(made("text", { x: 62, y: y(south + f * (north - south)) + 5, "text-anchor": "end" }, (south + f * (north - south)).toFixed(1)));
  }
  parts.push(made("text", { x: W / 2, y: H - 8, "text-anchor": "middle" }, "right ascension, declination [degree]"));
  rows.forEach(o => parts.push(made("circle", { cx: x(o.ra), cy: y(o.dec), r: !name || o.class === name ? 6 : 3, fill: !name || o.class === name ? "#d55e00" : "#bbb" })));
  svg.replaceChildren(...parts);
}

function unpacked(text, type) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new type(bytes.buffer);
}
let places = null;
function map() {
  const sky = data.sky, canvas = by("map");
  if (!sky) { by("map-told").textContent = "This run has no map of its footprint."; canvas.hidden = true; return; }
  places = places || { ra: unpacked(sky.ra, Float32Array), dec: unpacked(sky.dec, Float32Array), values: sky.values.map(v => unpacked(v, Uint8Array)) };
  const radius = cube.axes.theta_e[at.theta_e], index = sky.thetaE.findIndex(v => Math.abs(v - radius) < 1e-6), values = places.values[Math.max(index, 0)];
  const { ra, dec } = places;
  // the widest gap in right ascension lies at the edges
  const sorted = Float32Array.from(ra).sort();
  let cut = 0, gap = sorted[0] + 360 - sorted[sorted.length - 1];
  for (let i = 1; i < sorted.length; i++) if (sorted[i] - sorted[i - 1] > gap) { gap = sorted[i] - sorted[i - 1]; cut = sorted[i]; }
  const turned = v => v < cut ? v + 360 : v;
  let west = Infinity, east = -Infinity, south = Infinity, north = -Infinity;
  for (let i = 0; i < ra.length; i++) { const a = turned(ra[i]); west = Math.min(west, a); east = Math.max(east, a); south = Math.min(south, dec[i]); north = Math.max(north, dec[i]); }
  const s = sky.side, W = 1520, aside = 110, below = 80;
  west -= s; east += s; south -= s; north += s;
  const middle = Math.cos((south + north) / 2 * Math.PI / 180), unit = Math.min((W - aside - 20) / ((east - west) * middle), 900 / (north - south));
  const H = Math.max(Math.round(unit * (north - south)) + below + 20, 240);
  canvas.width = W; canvas.height = H;
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, W, H);
  const x = v => aside + unit * middle * (east - v), y = v => 10 + unit * (north - v), w = Math.max(unit * s, 2);
  for (let i = 0; i < ra.length; i++) {
    pen.fillStyle = values[i] === 255 ? "#d0d0d0" : css(values[i] / sky.steps);
    const wide = Math.min(w * middle / Math.max(Math.cos(dec[i] * Math.PI / 180), 0.05), 4 * w);
    pen.fillRect(x(turned(ra[i])) - wide / 2, y(dec[i]) - w / 2, wide, w);
  }
  pen.fillStyle = "#565656"; pen.font = `${canvas.clientWidth < 500 ? 44 : 26}px "DejaVu Sans", sans-serif`;
  pen.textAlign = "right";
  for (const f of [0.1, 0.9]) pen.fillText((south + f * (north - south)).toFixed(0) + "°", aside - 12, y(south + f * (north - south)) + 8);
  pen.textAlign = "center";
  for (const f of [0.15, 0.5, 0.85]) { const v = west + f * (east - west); pen.fillText((v % 360).toFixed(0) + "°", x(v), y(south) + 46); }
  by("map-told").textContent = `Hosts ${sky.population}, θE ${radius}″: mean over the conditions of each pixel; grey where the cube does not support a number.`;
  const ramp = by("ramp").getContext("2d");
  for (let i = 0; i < 200; i++) { ramp.fillStyle = css(i / 199); ramp.fillRect(i, 0, 1, 10); }
}

function gates() {
  const verdict = by("verdict").value;
  const limits = o => [o.minimum === null ? "" : `≥ ${+o.minimum.toPrecision(4)}`, o.maximum === null ? "" : `≤ ${+o.maximum.toPrecision(4)}`].filter(Boolean).join(", ");
  const value = v => v === null ? "" : typeof v === "number" ? String(+v.toPrecision(4)) : String(v);
  by("gates").tBodies[0].replaceChildren(...data.gates.filter(o => verdict === "all" || (verdict === "open" ? o.verdict === "fail" || o.verdict === "not judged" : o.verdict === verdict))
    .map(o => made("tr", null, made("td", null, o.id), made("td", { class: o.verdict === "fail" ? "fail" : "" }, o.verdict), made("td", { title: o.evidence }, o.claim), made("td", null, value(o.value)), made("td", null, limits(o)))));
}

function draw(all) {
  const start = performance.now();
  for (const dim of ["theta_e", "psf_fwhm", "depth"]) {
    by(dim).value = at[dim];
    by(`${dim}-told`).textContent = `${cube.axes[dim][at[dim]]} ${units[dim]}`;
    by(dim).setAttribute("aria-valuetext", `${cube.axes[dim][at[dim]]} ${units[dim]}`);
  }
  by("threshold-told").textContent = `score ≥ ${cube.thresholds[at.threshold].toPrecision(4)} (false-positive rate ${(100 * cube.rates[at.threshold]).toPrecision(2)} %)`;
  by("said").textContent = told(at.theta_e, at.psf_fwhm, at.depth);
  slice(); curve();
  window.LENSCAL_MS = performance.now() - start;
  stamps();
  if (all) map();
}
function choose(what) {
  const radius = at.theta_e;
  Object.assign(at, what);
  draw(at.theta_e !== radius || "population" in what);
}

document.title = by("title").textContent = data.title;
by("marks").textContent = data.marks.join(". ");
for (const dim of ["theta_e", "psf_fwhm", "depth", "threshold"]) {
  const values = dim === "threshold" ? cube.thresholds : cube.axes[dim], input = by(dim);
  Object.assign(input, { min: 0, max: values.length - 1, step: 1, disabled: values.length < 2 });
  at[dim] = dim === "threshold" ? 0 : Math.floor((values.length - 1) / 2);
  input.value = at[dim];
  input.addEventListener("input", () => choose({ [dim]: Number(input.value) }));
}
at.population = Math.max(cube.populations.indexOf(cube.population), 0);
by("population").replaceChildren(...cube.populations.map((name, i) => made("option", { value: i }, name)));
by("population").value = at.population;
by("population").addEventListener("change", event => choose({ population: Number(event.target.value) }));
const classes = [...new Set(data.falsePositives.rows.map(o => o.class))].sort();
by("class").replaceChildren(made("option", { value: "" }, "all classes"), ...classes.map(name => made("option", { value: name }, name)));
by("class").addEventListener("change", wrong);
by("verdict").replaceChildren(...[["open", "failed or not judged"], ["all", "all"], ["pass", "passed"]].map(([value, text]) => made("option", { value }, text)));
by("verdict").addEventListener("change", gates);
draw(true); wrong(); gates();
})();
