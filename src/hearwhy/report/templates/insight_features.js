(() => {
const data = JSON.parse(document.getElementById("features").textContent);
const { fit, ticks, style, number, plain } = window.hearwhy.tools;
const $ = id => document.getElementById(id), make = (tag, more = {}) => Object.assign(document.createElement(tag), more);
const REACH_PX = 16, ROW_PX = 27, DOT = 3.2, BINS = 60, Z95 = 1.96, N = Math.min(data.nShown, data.names.length);

// --- what is chosen: one state for all pictures --------------------------------------------------------------------

const state = { cls: 0, clip: 0, feature: 0, tint: "label", swarm: [0, -1], depend: -1 };
const cls = () => data.classes[state.cls];
const rowOf = clip => cls().rows.indexOf(clip);
const value = (row, i) => cls().values[row][i], error = (row, i) => cls().stderr ? Z95 * cls().stderr[row][i] : 0;
const own = (row, i) => data.own[cls().rows[row]][i];
const sorted = numbers => [...numbers].sort((a, b) => a - b);
const quantile = (ranked, share) => ranked[Math.round(share * (ranked.length - 1))];
const SPANS = data.names.map((_, i) => { const ranked = sorted(data.own.map(row => row[i])); return [quantile(ranked, .05), quantile(ranked, .95)]; });

function ramp() {
  const parse = text => text.match(/[0-9a-f]{2}/gi).map(pair => parseInt(pair, 16)), low = parse(style("--low")), high = parse(style("--high"));
  return (x, i) => {
    const [a, b] = SPANS[i], at = b > a ? Math.min(1, Math.max(0, (x - a) / (b - a))) : .5;
    return `rgb(${low.map((from, k) => Math.round(from + at * (high[k] - from))).join()})`;
  };
}
const labelled = () => { const found = data.colours.map(k => style(k < 0 ? "--other" : `--k${k}`)); return clip => found[data.said[clip]]; };
const about = clip => {
  const said = data.labels[data.said[clip]], right = data.known[clip] < 0 ? "" : data.known[clip] === data.said[clip] ? ", rightly" : `, is ${data.true[clip]}`;
  return `: taken for ${said}${right}`;
};
function tell(id, row, i) {
  const clip = cls().rows[row], bars = error(row, i);
  $(id).replaceChildren(make("b", { textContent: data.item[clip] }), `${about(clip)}; `, make("b", { textContent: data.names[i] }),
    ` is ${plain(own(row, i))} and adds ${number(value(row, i))}${bars ? ` \u00b1 ${bars.toPrecision(2)}` : ""} to ${cls().name}`);
}

// --- summary -------------------------------------------------------------------------------------------------------

const bars = [...document.querySelectorAll("#summary li")];
for (const bar of bars) {
  const show = () => {
    const pieces = [...bar.querySelectorAll("rect")].map(piece => [piece.dataset.class, Number(piece.dataset.value)]).sort((a, b) => b[1] - a[1]);
    const more = pieces.length > 5 ? `, ${pieces.length - 5} more` : "";
    $("summary-told").replaceChildren(make("b", { textContent: bar.querySelector(".label").textContent }), ` ${bar.querySelector("svg").getAttribute("aria-label")}: `,
      pieces.slice(0, 5).map(([name, size]) => `${name} ${size}`).join(", ") + more);
  };
  const choose = () => { state.feature = Number(bar.dataset.feature); update(); };
  bar.addEventListener("pointerenter", show);
  bar.addEventListener("focus", show);
  bar.addEventListener("click", choose);
  bar.addEventListener("keydown", event => { if (event.key === "Enter") choose(); });
}
document.querySelectorAll(".classes button").forEach(button => button.addEventListener("click", () => {
  const alone = button.getAttribute("aria-pressed") !== "true";
  document.querySelectorAll(".classes button").forEach(other => other.setAttribute("aria-pressed", alone && other === button));
  $("summary").classList.toggle("one", alone);
  document.querySelectorAll("#summary rect").forEach(piece => piece.classList.toggle("chosen", piece.dataset.class === button.dataset.class));
  const at = data.classes.findIndex(one => one.name === button.dataset.class);
  if (alone && at >= 0) { state.cls = at; update(); }
}));

// --- bee-swarm -----------------------------------------------------------------------------------------------------

const swarm = $("swarm");
let order = [], dots = [];
function axis(pen, low, high, x, bottom, told, height) {
  pen.strokeStyle = style("--line"); pen.fillStyle = style("--soft"); pen.textAlign = "center"; pen.textBaseline = "top"; pen.lineWidth = 1;
  for (const tick of ticks(low, high, swarm.clientWidth < 500 ? 4 : 8)) {
    pen.beginPath(); pen.moveTo(x(tick), 8); pen.lineTo(x(tick), bottom); pen.stroke();
    pen.fillText(plain(tick), x(tick), bottom + 6);
  }
  pen.fillText(told, (x(low) + x(high)) / 2, height - 14);
}
function spanned(numbers) {
  let low = Math.min(0, ...numbers), high = Math.max(0, ...numbers);
  if (high - low < 1e-12) { low -= 1; high += 1; }
  const margin = .04 * (high - low);
  return [low - margin, high + margin];
}
function cut(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  while (text.length > 1 && pen.measureText(`${text}\u2026`).width > room) text = text.slice(0, -1);
  return `${text}\u2026`;
}
function drawSwarm() {
  const sizes = data.names.map((_, i) => cls().values.reduce((sum, row) => sum + Math.abs(row[i]), 0));
  order = data.names.map((_, i) => i).sort((a, b) => sizes[b] - sizes[a]).slice(0, N);
  swarm.style.setProperty("height", `${order.length * ROW_PX + 46}px`);
  const { pen, width, height } = fit(swarm), left = Math.min(150, width * .28), bottom = height - 38, tint = ramp();
  let low = 0, high = 0;
  for (const row of cls().values) for (const i of order) { low = Math.min(low, row[i]); high = Math.max(high, row[i]); }
  [low, high] = spanned([low, high]);
  const x = at => left + (at - low) * (width - left - 10) / (high - low);
  axis(pen, low, high, x, bottom, `adds to ${cls().name} (${data.unit})`, height);
  pen.strokeStyle = style("--soft"); pen.beginPath(); pen.moveTo(x(0), 4); pen.lineTo(x(0), bottom); pen.stroke();
  dots = order.map((i, place) => {
    const middle = 8 + (place + .5) * ROW_PX, seen = new Map(), ranked = cls().rows.map((_, row) => row);
    pen.fillStyle = style("--ink"); pen.textAlign = "right"; pen.textBaseline = "middle";
    pen.fillText(cut(pen, data.names[i], left - 14), left - 10, middle);
    const bins = ranked.map(row => Math.floor((value(row, i) - low) / (high - low) * BINS));
    const most = Math.max(...ranked.map(row => { seen.set(bins[row], (seen.get(bins[row]) ?? 0) + 1); return seen.get(bins[row]); }));
    const step = Math.min(DOT * 1.4, (ROW_PX - 2 * DOT) / Math.max(1, most));
    seen.clear();
    const found = ranked.map(row => {
      const n = seen.get(bins[row]) ?? 0;
      seen.set(bins[row], n + 1);
      return { row, i, x: x(value(row, i)), y: middle + Math.ceil(n / 2) * (n % 2 ? 1 : -1) * step };
    });
    pen.globalAlpha = found.length > 300 ? .5 : .9;
    for (const dot of found) { pen.fillStyle = tint(own(dot.row, i), i); pen.beginPath(); pen.arc(dot.x, dot.y, found.length > 300 ? 2 : DOT, 0, 7); pen.fill(); }
    pen.globalAlpha = 1;
    const [mean, from, to] = cls().mean[i];
    pen.strokeStyle = style("--ink"); pen.lineWidth = 1.5;
    pen.beginPath(); pen.moveTo(x(mean), middle - 7); pen.lineTo(x(mean), middle + 7);
    if (from !== null) { pen.moveTo(x(from), middle); pen.lineTo(x(to), middle); }
    pen.stroke();
    return found;
  });
  const chosen = dots[state.swarm[0]]?.[state.swarm[1]];
  if (chosen) ring(pen, chosen);
  const clip = rowOf(state.clip);
  if (clip >= 0) for (const line of dots) ring(pen, line[clip], 1.2);
}
function ring(pen, dot, width = 2.5) {
  pen.strokeStyle = style("--ink"); pen.lineWidth = width;
  pen.beginPath(); pen.arc(dot.x, dot.y, DOT + 2, 0, 7); pen.stroke();
}
const nearest = (some, [px, py]) => some.reduce((best, dot) => {
  const away = Math.hypot(dot.x - px, dot.y - py);
  return away < best.away ? { away, dot } : best;
}, { away: REACH_PX, dot: null }).dot;
const place = event => { const box = event.currentTarget.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
function at(line, row) {
  state.swarm = [line, row];
  tell("swarm-told", row, order[line]);
  redraw();
}
swarm.addEventListener("pointermove", event => {
  const dot = nearest(dots.flat(), place(event));
  if (dot && (order[state.swarm[0]] !== dot.i || state.swarm[1] !== dot.row)) at(order.indexOf(dot.i), dot.row);
});
swarm.addEventListener("click", event => {
  const dot = nearest(dots.flat(), place(event));
  if (dot) { at(order.indexOf(dot.i), dot.row); state.clip = cls().rows[dot.row]; update(); }
});
swarm.addEventListener("keydown", event => {
  let [line, row] = state.swarm;
  const down = { ArrowDown: 1, ArrowUp: -1 }[event.key], right = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (event.key === "Enter" && row >= 0) { state.clip = cls().rows[row]; update(); return; }
  if (!down && !right) return;
  event.preventDefault();
  if (row < 0) { at(0, 0); return; }
  if (down) line = Math.min(Math.max(line + down, 0), order.length - 1);
  else {
    const ranked = dots[line].map(dot => dot.row).sort((a, b) => value(a, order[line]) - value(b, order[line]));
    row = ranked[Math.min(Math.max(ranked.indexOf(row) + right, 0), ranked.length - 1)];
  }
  at(line, row);
});

// --- waterfall -----------------------------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";
function shape(tag, more) {
  const made = document.createElementNS(SVG, tag);
  for (const [key, text] of Object.entries(more)) made.setAttribute(key, text);
  return made;
}
function drawFall() {
  const row = rowOf(state.clip);
  if (row < 0) {
    $("fall").replaceChildren(make("li", { className: "end", textContent: `It was not explained for ${cls().name}.` }));
    return;
  }
  const ranked = data.names.map((_, i) => i).sort((a, b) => Math.abs(value(row, b)) - Math.abs(value(row, a)));
  const steps = ranked.slice(0, data.nSteps).map(i => ({ name: data.names[i], own: plain(Number(own(row, i).toPrecision(3))), value: value(row, i), margin: error(row, i) }));
  const others = ranked.slice(data.nSteps), sum = others.reduce((total, i) => total + value(row, i), cls().rest[row]);
  const n = others.length + data.nMore;
  if (n) steps.push({ name: `${n} others`, value: sum, margin: Math.hypot(...others.map(i => error(row, i))) });
  const gap = steps.reduce((left, step) => left - step.value, cls().score[row] - cls().base[row]);
  if (Math.abs(gap) >= data.leastGap) steps.push({ name: "what the values miss", value: gap, margin: 0 });
  let here = cls().base[row];
  for (const step of steps) { step.from = here; here += step.value; step.to = here; }
  const [low, high] = spannedAround(steps), x = at => 100 * (at - low) / (high - low);
  const drawn = steps.map((step, k) => {
    const li = make("li"), svg = shape("svg", { role: "img", "aria-label": `${number(step.value)}${step.margin ? ` \u00b1 ${step.margin.toPrecision(2)}` : ""}` });
    const [a, b] = [Math.min(step.from, step.to), Math.max(step.from, step.to)], side = step.value > 0 ? "positive" : "negative";
    svg.append(shape("rect", { class: side, x: `${x(a)}%`, width: `${x(b) - x(a)}%`, y: "18%", height: "64%", rx: 2 }));
    if (step.margin) svg.append(shape("line", { class: "interval", x1: `${x(step.to - step.margin)}%`, x2: `${x(step.to + step.margin)}%`, y1: "50%", y2: "50%" }));
    if (k < steps.length - 1) svg.append(shape("line", { class: "lead-line", x1: `${x(step.to)}%`, x2: `${x(step.to)}%`, y1: "82%", y2: "118%" }));
    const label = make("span", { className: "label" });
    label.append(make("bdi", { textContent: step.name }));
    if (step.own !== undefined) label.append(make("span", { className: "own", textContent: ` = ${step.own}` }));
    li.append(label, svg, make("span", { className: `value ${side}`, textContent: number(step.value) }));
    return li;
  });
  const end = (name, score) => { const li = make("li", { className: "end" }); li.append(make("span", { textContent: name }), make("span"), make("span", { className: "value", textContent: number(score) })); return li; };
  $("fall").replaceChildren(end(data.start, cls().base[row]), ...drawn, end("as it is", cls().score[row]));
}
function spannedAround(steps) {
  const ends = steps.flatMap(step => [step.from, step.to - step.margin, step.to + step.margin]), low = Math.min(...ends), high = Math.max(...ends);
  return high - low < 1e-12 ? [low - 1, high + 1] : [low, high];
}

// --- dependence ----------------------------------------------------------------------------------------------------

const depend = $("depend");
let marks = [];
function drawDepend() {
  const { pen, width, height } = fit(depend), i = state.feature, left = 54, bottom = height - 40, mate = cls().mates[i];
  const xs = cls().rows.map((_, row) => own(row, i)), ys = cls().rows.flatMap((_, row) => [value(row, i) - error(row, i), value(row, i) + error(row, i)]);
  let [a, b] = [Math.min(...xs), Math.max(...xs)];
  if (b - a < 1e-12) { a -= 1; b += 1; }
  [a, b] = [a - .03 * (b - a), b + .03 * (b - a)];
  const [low, high] = spanned(ys), x = at => left + (at - a) * (width - left - 12) / (b - a), y = at => 10 + (high - at) * (bottom - 10) / (high - low);
  axis(pen, a, b, x, bottom, data.names[i], height);
  pen.textAlign = "right"; pen.textBaseline = "middle";
  for (const tick of ticks(low, high, 6)) {
    pen.beginPath(); pen.moveTo(left, y(tick)); pen.lineTo(width - 12, y(tick)); pen.stroke();
    pen.fillText(plain(tick), left - 8, y(tick));
  }
  pen.save(); pen.translate(8, (10 + bottom) / 2); pen.rotate(-Math.PI / 2); pen.textAlign = "center";
  pen.fillText(cut(pen, `adds to ${cls().name} (${data.unit})`, bottom - 10), 0, 0); pen.restore();
  pen.strokeStyle = style("--soft"); pen.beginPath(); pen.moveTo(left, y(0)); pen.lineTo(width - 12, y(0)); pen.stroke();
  const byValue = ramp(), byLabel = labelled(), shade = state.tint === "mate" && mate ? row => byValue(own(row, mate[0]), mate[0]) : row => byLabel(cls().rows[row]);
  marks = cls().rows.map((_, row) => ({ row, x: x(own(row, i)), y: y(value(row, i)), from: y(value(row, i) - error(row, i)), to: y(value(row, i) + error(row, i)) }));
  pen.strokeStyle = style("--soft"); pen.globalAlpha = .6;
  for (const mark of marks) { pen.beginPath(); pen.moveTo(mark.x, mark.from); pen.lineTo(mark.x, mark.to); pen.stroke(); }
  pen.globalAlpha = marks.length > 300 ? .6 : .95;
  for (const mark of marks) { pen.fillStyle = shade(mark.row); pen.beginPath(); pen.arc(mark.x, mark.y, DOT + .6, 0, 7); pen.fill(); }
  pen.globalAlpha = 1;
  if (marks[state.depend]) ring(pen, marks[state.depend]);
}
function dependWords() {
  const i = state.feature, mate = cls().mates[i], option = $("tint").options[1];
  option.disabled = !mate;
  option.textContent = mate ? `${data.names[mate[0]]}, which goes with it most (r ${plain(mate[1])}${mate[2] ? "" : ", no more than by chance"})` : "no other feature goes with it";
  if (!mate && state.tint === "mate") { state.tint = "label"; $("tint").value = "label"; }
  if (state.tint === "mate") {
    const span = make("span", { className: "ramp" });
    span.append(`${data.names[mate[0]]}: low `, make("i"), " high");
    $("depend-legend").replaceChildren(span);
    return;
  }
  const used = data.labels.map((name, k) => [name, k]).filter(([, k]) => data.said.includes(k) && data.colours[k] >= 0);
  $("depend-legend").replaceChildren(...used.map(([name, k]) => {
    const item = make("span", { className: "item" });
    item.append(make("i", { className: `key k${data.colours[k]}` }), make("bdi", { textContent: name }));
    return item;
  }));
}
function mark(row) {
  state.depend = row;
  tell("depend-told", row, state.feature);
  redraw();
}
depend.addEventListener("pointermove", event => {
  const found = nearest(marks, place(event));
  if (found && found.row !== state.depend) mark(found.row);
});
depend.addEventListener("click", event => {
  const found = nearest(marks, place(event));
  if (found) { mark(found.row); state.clip = cls().rows[found.row]; update(); }
});
depend.addEventListener("keydown", event => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const ranked = marks.map(one => one.row).sort((a, b) => own(a, state.feature) - own(b, state.feature));
  mark(ranked[Math.min(Math.max(ranked.indexOf(state.depend) + step, 0), ranked.length - 1)]);
});

// --- choices -------------------------------------------------------------------------------------------------------

let waiting = false;
function redraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; drawSwarm(); drawDepend(); });
}
function update() {
  document.querySelectorAll(".of-class").forEach(select => { select.value = state.cls; });
  $("clip").value = state.clip;
  $("feature").value = state.feature;
  dependWords();
  drawFall();
  redraw();
}
const forget = () => { state.swarm = [0, -1]; state.depend = -1; $("swarm-told").textContent = $("depend-told").textContent = "Point at a dot, or use the arrow keys."; };
document.querySelectorAll(".of-class").forEach(select => select.addEventListener("change", () => { state.cls = Number(select.value); forget(); update(); }));
data.item.forEach((name, clip) => $("clip").append(new Option(name + about(clip), clip)));
data.names.slice(0, N).forEach((name, i) => $("feature").append(new Option(name, i)));
$("clip").addEventListener("change", event => { state.clip = Number(event.target.value); update(); });
$("feature").addEventListener("change", event => { state.feature = Number(event.target.value); state.depend = -1; update(); });
$("tint").addEventListener("change", event => { state.tint = event.target.value; update(); });
[state.cls, state.clip] = data.first;
new ResizeObserver(redraw).observe(swarm);
matchMedia("(prefers-color-scheme:dark)").addEventListener("change", redraw);
update();
window.hearwhy.features = { state, data, swarm: () => dots, depend: () => marks };
})();
