"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id), n = data.p.length, PALETTE = 7, REACH_PX = 14, NEAR_PX = 10;
const PAD = { left: 52, right: 40, top: 14, bottom: 10 };
document.documentElement.classList.add("js");

// --- what is shown: one state for both pictures --------------------------------------------------------------------

const state = { view: 0, colour: "predicted", hidden: new Set(), kept: new Map(), song: null, at: -1 };
const WORDS = { predicted: "predicted label", cluster: "cluster", true: "true label", condition: "stems mixed", top: "what counts most", item: "recording" };
const view = () => data.views[state.view];
const column = name => name === "top" ? view().top : data.columns[name];
const offered = Object.keys(WORDS).filter(name => name === "predicted" || column(name).names.length > 1);
const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function colours() {
  const found = Array.from({ length: PALETTE }, (_, i) => style(`--c${i}`)), other = style("--other");
  return code => code < PALETTE ? found[code] : other;
}
function shown(row) {
  const code = column(state.colour).rows[row];
  if (state.hidden.has(Math.min(code, PALETTE))) return false;
  for (const [axis, [low, high]] of state.kept) {
    const value = view().values[row][axis];
    if (value === null || value < low || value > high) return false;
  }
  return true;
}
let visible = [];
// A fixed shuffle: no group lies on top of all the others only because it comes last.
const ORDER = Array.from({ length: n }, (_, i) => i).sort((a, b) => (a * 7919 % 104729) - (b * 7919 % 104729));

const number = value => (value < 0 ? "\u2212" : "+") + Math.abs(value).toPrecision(3).replace(/\.?0+$/, "");
const plain = value => String(+value.toPrecision(6)).replace("-", "\u2212");
const chance = p => p > 0.9995 ? "> 0.999" : p.toFixed(p > 0.995 ? 3 : 2);
function ticks(low, high, most) {
  const power = 10 ** Math.floor(Math.log10((high - low) / most));
  const step = [1, 2, 5, 10].map(i => i * power).find(size => (high - low) / size <= most), found = [];
  for (let i = Math.ceil(low / step); i <= high / step; i++) found.push(i * step);
  return found;
}
function fit(canvas) {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "11px system-ui, sans-serif";
  return { pen, width, height };
}

// --- parallel coordinates ------------------------------------------------------------------------------------------

const lines = $("lines"), [base, over] = lines.querySelectorAll("canvas"), names = $("axis-names");
const AXIS_PX = data.names.length > 10 ? 92 : 70;
lines.style.setProperty("min-width", `${PAD.left + PAD.right + AXIS_PX * (data.names.length - 1)}px`);
const width = () => base.clientWidth, height = () => base.clientHeight;
const x = axis => data.names.length === 1 ? width() / 2
  : PAD.left + axis * (width() - PAD.left - PAD.right) / (data.names.length - 1);
let low = 0, high = 1;
function scale() {
  low = 0; high = 0;
  for (const row of view().values) for (const value of row) if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); }
  if (high - low < 1e-9) { low = -1; high = 1; }
  const margin = 0.03 * (high - low);
  low -= margin; high += margin;
}
const y = value => PAD.top + (high - value) * (height() - PAD.top - PAD.bottom) / (high - low);
const unscaled = pixel => high - (pixel - PAD.top) * (high - low) / (height() - PAD.top - PAD.bottom);

function trace(pen, row) {
  const values = view().values[row];
  pen.beginPath();
  let pen_down = false;
  values.forEach((value, axis) => {
    if (value === null) { pen_down = false; return; }
    if (pen_down) pen.lineTo(x(axis), y(value)); else pen.moveTo(x(axis) - 3, y(value));
    pen.lineTo(x(axis) + (axis === values.length - 1 || values[axis + 1] === null ? 3 : 0), y(value));
    pen_down = true;
  });
  pen.stroke();
}
function drawLines() {
  const { pen } = fit(base), colour = colours(), codes = column(state.colour).rows;
  pen.lineWidth = 1;
  const faint = style("--line"), ink = style("--ink"), soft = style("--soft");
  pen.strokeStyle = faint;
  for (const tick of ticks(low, high, 6)) {
    pen.beginPath(); pen.moveTo(PAD.left, y(tick)); pen.lineTo(width() - PAD.right, y(tick)); pen.stroke();
    pen.fillStyle = soft; pen.textAlign = "right"; pen.textBaseline = "middle";
    pen.fillText(plain(tick), PAD.left - 10, y(tick));
  }
  pen.lineWidth = visible.length > 400 ? 1 : 1.4;
  pen.globalAlpha = Math.max(0.12, Math.min(0.8, 90 / Math.max(1, visible.length)));
  for (const row of visible) { pen.strokeStyle = colour(codes[row]); trace(pen, row); }
  pen.globalAlpha = 1;
  pen.strokeStyle = ink;
  data.names.forEach((_, axis) => {
    pen.lineWidth = 1; pen.strokeStyle = soft;
    pen.beginPath(); pen.moveTo(x(axis), PAD.top); pen.lineTo(x(axis), height() - PAD.bottom); pen.stroke();
    const kept = state.kept.get(axis);
    if (!kept) return;
    const top = y(Math.min(kept[1], high)), bottom = y(Math.max(kept[0], low));
    pen.fillStyle = ink; pen.globalAlpha = 0.22; pen.fillRect(x(axis) - 7, top, 14, bottom - top);
    pen.globalAlpha = 1; pen.strokeStyle = ink; pen.strokeRect(x(axis) - 7, top, 14, bottom - top);
  });
  pen.strokeStyle = ink; pen.lineWidth = 1.2;
  pen.beginPath(); pen.moveTo(PAD.left, y(0)); pen.lineTo(width() - PAD.right, y(0)); pen.stroke();
  drawOne();
}
function drawOne() {
  const { pen } = fit(over), row = state.at;
  if (row < 0) return;
  pen.lineJoin = "round";
  pen.strokeStyle = style("--paper"); pen.lineWidth = 6; trace(pen, row);
  pen.strokeStyle = style("--ink"); pen.lineWidth = 2.5; trace(pen, row);
}
function nearest(px, py) {
  let best = -1, least = NEAR_PX;
  const at = Math.max(0, data.names.findIndex((_, axis) => x(axis + 1) > px || axis === data.names.length - 2));
  for (const row of visible) {
    const [a, b] = [view().values[row][at], view().values[row][Math.min(at + 1, data.names.length - 1)]];
    if (a === null && b === null) continue;
    const share = x(at + 1) === x(at) ? 0 : Math.min(1, Math.max(0, (px - x(at)) / (x(at + 1) - x(at))));
    if ((a === null && share < 0.9) || (b === null && share > 0.1)) continue;
    const value = a === null ? b : b === null ? a : a + share * (b - a), away = Math.abs(y(value) - py);
    if (away < least) { least = away; best = row; }
  }
  return best;
}
function tell(row) {
  state.at = row;
  drawOne();
  if (row < 0) return;
  const of = name => data.columns[name].names[data.columns[name].rows[row]], put = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
  const parts = [put("b", of("item")), ` ${data.start[row].toFixed(1)} s`];
  if (of("condition")) parts.push(` (${of("condition")})`);
  parts.push(": says ", put("b", of("predicted")), ` ${chance(data.p[row])}`);
  if (of("true") !== "not known") parts.push(of("true") === of("predicted") ? ", rightly" : `, is ${of("true")}`);
  const ranked = data.names.map((name, i) => [name, view().values[row][i]]).filter(pair => pair[1] !== null)
    .sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, 6);
  parts.push("; " + ranked.map(([name, value]) => `${name} ${number(value)}`).join(", "));
  $("readout").replaceChildren(...parts);
}

let drag = null;
const place = event => { const box = over.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
const axisAt = px => data.names.findIndex((_, axis) => Math.abs(x(axis) - px) < REACH_PX);
over.addEventListener("pointerdown", event => {
  const [px, py] = place(event), axis = axisAt(px);
  if (axis < 0 || event.pointerType === "touch") { tell(nearest(px, py)); return; }
  drag = { axis, from: unscaled(py) };
  over.setPointerCapture(event.pointerId);
});
over.addEventListener("pointermove", event => {
  const [px, py] = place(event);
  if (!drag) { const row = nearest(px, py); if (row >= 0 && row !== state.at) tell(row); return; }
  const to = unscaled(py);
  state.kept.set(drag.axis, [Math.min(drag.from, to), Math.max(drag.from, to)]);
  update();
});
over.addEventListener("pointerup", event => {
  if (drag && Math.abs(y(drag.from) - place(event)[1]) < 4) { state.kept.delete(drag.axis); update(); }   // a click lets go
  drag = null;
});
over.addEventListener("keydown", event => {
  const sorted = [...visible].sort((a, b) => a - b), i = sorted.indexOf(state.at), end = sorted.length - 1;
  const next = { ArrowRight: i + 1, ArrowDown: i + 1, ArrowLeft: i - 1, ArrowUp: i - 1, Home: 0, End: end }[event.key];
  if (next === undefined || end < 0) return;
  event.preventDefault();
  tell(sorted[Math.min(Math.max(next, 0), end)]);
});
data.names.forEach((name, axis) => {
  const button = document.createElement("button");
  button.type = "button";
  button.append(Object.assign(document.createElement("bdi"), { textContent: name }));
  button.addEventListener("click", () => {
    const kept = state.kept.get(axis);
    if (!kept) state.kept.set(axis, [0, Infinity]);
    else if (kept[1] === Infinity) state.kept.set(axis, [-Infinity, 0]);
    else state.kept.delete(axis);
    update();
  });
  names.append(button);
});
function drawNames() {
  [...names.children].forEach((button, axis) => {
    const kept = state.kept.get(axis);
    const how = !kept ? "all" : kept[1] === Infinity ? "only above zero" : kept[0] === -Infinity ? "only below zero" : "a part";
    button.style.setProperty("left", `${x(axis)}px`);
    button.style.setProperty("max-width", `${Math.max(60, x(1) - x(0) || 200)}px`);
    button.classList.toggle("kept", Boolean(kept));
    button.setAttribute("aria-label", `${data.names[axis]}: ${how}`);
    button.title = `${data.names[axis]}: ${how}`;
  });
}

// --- faithfulness --------------------------------------------------------------------------------------------------

const scatter = $("scatter"), points = $("points");
function drawScatter() {
  const { pen, width, height } = fit(scatter), which = points.value, colour = colours(), codes = column(state.colour).rows;
  const of = row => which === "fresh" ? view().fresh[row] : [view().whole[row]];
  let [least, most] = [Infinity, -Infinity];
  for (let row = 0; row < n; row++) for (const pair of of(row)) { least = Math.min(least, ...pair); most = Math.max(most, ...pair); }
  if (!(most > least)) { least -= 1; most += 1; }
  const margin = 0.04 * (most - least), pad = { left: 50, right: 12, top: 12, bottom: 40 };
  least -= margin; most += margin;
  const px = value => pad.left + (value - least) * (width - pad.left - pad.right) / (most - least);
  const py = value => pad.top + (most - value) * (height - pad.top - pad.bottom) / (most - least);
  pen.strokeStyle = style("--line"); pen.fillStyle = style("--soft");
  for (const tick of ticks(least, most, 6)) {
    pen.beginPath(); pen.moveTo(px(tick), pad.top); pen.lineTo(px(tick), height - pad.bottom);
    pen.moveTo(pad.left, py(tick)); pen.lineTo(width - pad.right, py(tick)); pen.stroke();
    pen.textAlign = "center"; pen.textBaseline = "top"; pen.fillText(plain(tick), px(tick), height - pad.bottom + 6);
    pen.textAlign = "right"; pen.textBaseline = "middle"; pen.fillText(plain(tick), pad.left - 8, py(tick));
  }
  pen.textAlign = "center"; pen.textBaseline = "top"; pen.fillText(`the model (${data.unit})`, (pad.left + width) / 2, height - 16);
  pen.save(); pen.translate(2, height / 2 - 10); pen.rotate(-Math.PI / 2); pen.fillText("the explanation", 0, 0); pen.restore();
  pen.strokeStyle = style("--soft");
  pen.beginPath(); pen.moveTo(px(least), py(least)); pen.lineTo(px(most), py(most)); pen.stroke();
  const songs = data.columns.item, rows = state.song === null ? visible : visible.filter(row => songs.names[songs.rows[row]] !== state.song);
  const size = which === "fresh" ? 1.8 : 2.6;
  const dots = (some, alpha, radius) => {
    pen.globalAlpha = alpha;
    for (const row of some) {
      pen.fillStyle = colour(codes[row]);
      for (const [a, b] of of(row)) { pen.beginPath(); pen.arc(px(a), py(b), radius, 0, 7); pen.fill(); }
    }
    pen.globalAlpha = 1;
  };
  dots(rows, state.song === null ? 0.5 : 0.1, size);
  if (state.song !== null) dots(visible.filter(row => songs.names[songs.rows[row]] === state.song), 1, size + 1.5);
}

// --- what is chosen ------------------------------------------------------------------------------------------------

function chips() {
  const { names: all, rows } = column(state.colour), counts = all.map(() => 0);
  rows.forEach(code => counts[code]++);
  const entries = all.slice(0, PALETTE).map((name, code) => [name || "as it is", code, counts[code]]);
  if (all.length > PALETTE) entries.push([`${all.length - PALETTE} others`, PALETTE, counts.slice(PALETTE).reduce((a, b) => a + b, 0)]);
  $("chips").replaceChildren(...entries.map(([name, code, count]) => {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.append(Object.assign(document.createElement("i"), { className: `key ${code < PALETTE ? `c${code}` : "other"}` }),
      Object.assign(document.createElement("bdi"), { textContent: name }), Object.assign(document.createElement("small"), { textContent: count }));
    button.setAttribute("aria-pressed", !state.hidden.has(code));
    button.addEventListener("click", () => {
      if (!state.hidden.delete(code)) state.hidden.add(code);
      button.setAttribute("aria-pressed", !state.hidden.has(code));
      update();
    });
    return button;
  }));
}
let waiting = false;
function update() {
  visible = ORDER.filter(shown);
  $("count").textContent = visible.length === n ? `${n} snippets` : `${visible.length} of ${n} snippets`;
  if (state.at >= 0 && !shown(state.at)) { state.at = -1; $("readout").textContent = "Point at a line, or go through the snippets with the arrow keys."; }
  drawNames();  // what a screen reader says of a button changes with the click, not a frame later
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; drawLines(); drawScatter(); });
}
function colourBy(name) { state.colour = name; $("colour").value = name; state.hidden.clear(); chips(); update(); }
offered.forEach(name => $("colour").append(new Option(WORDS[name], name)));
$("colour").addEventListener("change", event => colourBy(event.target.value));
$("view")?.addEventListener("change", event => { state.view = Number(event.target.value); state.kept.clear(); scale(); chips(); update(); });
$("clear").addEventListener("click", () => { state.kept.clear(); state.hidden.clear(); chips(); update(); });
points.value = data.exact ? "fresh" : "whole";
points.addEventListener("change", drawScatter);
document.querySelectorAll(".song").forEach(button => button.addEventListener("click", () => {
  state.song = state.song === button.textContent ? null : button.textContent;
  document.querySelectorAll(".song").forEach(other => other.setAttribute("aria-pressed", other.textContent === state.song));
  drawScatter();
}));
document.querySelectorAll(".only").forEach(button => button.addEventListener("click", () => {
  colourBy("cluster");
  const all = data.columns.cluster.names;
  all.forEach((name, code) => { if (name !== `cluster ${button.dataset.cluster}`) state.hidden.add(Math.min(code, PALETTE)); });
  chips(); update();
  $("h-lines").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion:reduce)").matches ? "auto" : "smooth" });
}));

// --- sound ---------------------------------------------------------------------------------------------------------

let context = null, playing = null;
async function play(button) {
  const again = playing?.button === button;
  if (playing) { playing.source.onended = null; playing.source.stop(); playing.button.setAttribute("aria-pressed", "false"); playing = null; }
  if (again) return;
  context ??= new AudioContext();
  await context.resume();
  const bytes = Uint8Array.from(atob($(`track-${button.dataset.track}`).textContent), c => c.charCodeAt(0));
  const source = new AudioBufferSourceNode(context, { buffer: await context.decodeAudioData(bytes.buffer) });
  source.connect(context.destination);
  if (playing) { playing.source.onended = null; playing.source.stop(); playing.button.setAttribute("aria-pressed", "false"); }
  source.onended = () => { button.setAttribute("aria-pressed", "false"); playing = null; };
  source.start();
  playing = { button, source };
  button.setAttribute("aria-pressed", "true");
}
document.querySelectorAll(".play").forEach(button => button.addEventListener("click", () => play(button)));

scale();
colourBy("predicted");
new ResizeObserver(update).observe(lines);
matchMedia("(prefers-color-scheme:dark)").addEventListener("change", update);
window.hearwhy = { state, data, visible: () => visible, x, y, playing: () => playing, tools: { fit, ticks, style, number, plain } };
})();
