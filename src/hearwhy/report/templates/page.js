"use strict";
(() => {
const RAMP_S = 0.01;   // a switch is a short fade: a hard step would click
const LEAD_S = 0.05;   // all tracks are told to start this far ahead, so that they start on the same sample
const data = JSON.parse(document.getElementById("data").textContent);
const make = (tag, props = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), props);
  element.append(...children);
  return element;
};
const drawn = (tag, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

// --- words -------------------------------------------------------------------------------------------------------

function probability(p) {
  if (p > 0.9995) return "> 0.999";
  if (p < 0.0005) return "< 0.001";
  return p.toFixed(p > 0.995 || p < 0.005 ? 3 : 2);
}

function decibel(power) {
  if (!(power > 1e-12)) return "silent";
  const level = 10 * Math.log10(power), text = Math.abs(level).toFixed(1);
  return (text === "0.0" ? "" : level > 0 ? "+" : "\u2212") + text + " dB";
}

// --- sound: a bank decodes its tracks once, the player lets them run together ------------------------------------

class Bank {
  constructor(spec, number) {
    Object.assign(this, spec, { number, buffers: new Map(), chosen: null });
    this.components = Array.from({ length: this.mixed }, (_, i) => i);
    this.whole = this.tracks.indexOf("recording") >= 0 ? [this.tracks.indexOf("recording")] : this.components;
    this.chosen = new Set(this.mixed ? this.components : this.whole);
    this.duration = this.length / this.rate;
  }
  decode(track) {
    if (!this.buffers.has(track)) this.buffers.set(track, this.decoded(track));
    return this.buffers.get(track);
  }
  async decoded(track) {
    const text = atob(document.getElementById(`track-${this.number}-${track}`).textContent);
    const bytes = Uint8Array.from(text, c => c.charCodeAt(0));
    // Decoding in a context of the tracks' own rate leaves the samples as they are.
    return new OfflineAudioContext(this.channels, this.length, this.rate).decodeAudioData(bytes.buffer);
  }
  isMix(chosen = this.chosen) { return this.mixed > 0 && [...chosen].every(track => track < this.mixed); }
  power(chosen = this.chosen) {
    let sum = 0;
    for (const a of chosen) for (const b of chosen) sum += this.gram[a][b];
    return sum;
  }
}

class Player {
  constructor() { Object.assign(this, { context: null, bank: null, running: null, offset: 0, loop: true, onchange: () => {} }); }
  get playing() { return this.running !== null; }
  get position() {
    if (!this.playing) return this.offset;
    const now = this.offset + Math.max(0, this.context.currentTime - this.running.start);
    return this.loop ? now % this.bank.duration : Math.min(now, this.bank.duration);
  }
  load(bank) {
    if (this.bank === bank) return;
    this.stop();
    this.bank = bank;
    this.offset = 0;
  }
  async play() {
    this.stop();
    const request = this.request = Symbol("latest");
    this.context ??= new AudioContext();
    await this.context.resume();
    const tracks = [...new Set([...(this.bank.isMix() ? this.bank.components : []), ...this.bank.chosen])];
    const buffers = await Promise.all(tracks.map(track => this.bank.decode(track)));
    if (request !== this.request) return;   // another click came while this one was decoding
    this.begin(tracks, buffers);
    this.onchange();
  }
  begin(tracks, buffers) {
    const start = this.context.currentTime + LEAD_S, gains = new Map(), sources = [];
    if (this.offset >= this.bank.duration - RAMP_S) this.offset = 0;
    tracks.forEach((track, i) => {
      const gain = new GainNode(this.context, { gain: this.bank.chosen.has(track) ? 1 : 0 });
      const source = new AudioBufferSourceNode(this.context, { buffer: buffers[i], loop: this.loop });
      source.connect(gain).connect(this.context.destination);
      source.start(start, this.offset);
      gains.set(track, gain);
      sources.push(source);
    });
    this.running = { start, gains, sources };
    const run = this.running;
    if (sources.length) sources[0].onended = () => { if (this.running === run) { this.stop(); this.offset = 0; this.onchange(); } };
  }
  stop() {
    this.request = null;
    if (!this.playing) return;
    this.offset = this.position;
    const { gains, sources } = this.running, now = this.context.currentTime;
    for (const gain of gains.values()) fade(gain.gain, 0, now);
    sources.forEach(source => source.stop(now + RAMP_S));
    this.running = null;
  }
  choose(tracks) {
    this.bank.chosen = new Set(tracks);
    if (!this.playing) return;
    const { gains } = this.running;
    if (![...this.bank.chosen].every(track => gains.has(track))) { this.play(); return; }
    for (const [track, gain] of gains) fade(gain.gain, this.bank.chosen.has(track) ? 1 : 0, this.context.currentTime);
  }
  seek(seconds) {
    const was = this.playing;
    this.stop();
    this.offset = Math.min(Math.max(0, seconds), this.bank.duration);
    if (was) this.play();
  }
  setLoop(loop) {
    const was = this.playing;
    this.stop();
    this.loop = loop;
    if (was) this.play();
  }
}

function fade(parameter, target, now) {
  parameter.cancelScheduledValues(now);
  parameter.setValueAtTime(parameter.value, now);
  parameter.linearRampToValueAtTime(target, now + RAMP_S);
}

// The very samples that a choice of tracks plays: what the tests compare with the sum of the parts.
async function renderMix(tracks, number = 0) {
  const bank = banks[number], context = new OfflineAudioContext(bank.channels, bank.length, bank.rate);
  for (const track of tracks) {
    const source = new AudioBufferSourceNode(context, { buffer: await bank.decode(track) });
    source.connect(new GainNode(context, { gain: 1 })).connect(context.destination);
    source.start(0);
  }
  const rendered = await context.startRendering();
  return Array.from({ length: bank.channels }, (_, channel) => rendered.getChannelData(channel));
}

// --- panels: one a target, all of one recording sharing what is switched on -----------------------------------------

class Panel {
  constructor(element, play) {
    Object.assign(this, { element, play, data: data.cases[play.case] });
    this.bank = banks[this.data.bank];
    this.span = play.span_s ?? this.bank.duration;   // of the picture: a window may be longer than what is heard
    this.one = selector => element.querySelector(selector);
    this.all = selector => [...element.querySelectorAll(selector)];
    this.bits = this.bank.mixed ? this.bank.chosen : new Set(this.data.names.keys());
    this.all(".switch").forEach(item => item.addEventListener("click", () => this.flip(Number(item.dataset.bit))));
    this.all(".play").forEach(item => item.addEventListener("click", () => this.only(item)));
    this.one(".main").addEventListener("click", () => this.toggle());
    this.one(".loop").addEventListener("click", () => { player.setLoop(!player.loop); this.draw(); });
    this.one(".seek").addEventListener("input", event => { player.seek(Number(event.target.value)); this.tick(); });
    this.all(".strength").forEach(item => item.addEventListener("input", () =>
      item.closest(".map-stage").style.setProperty("--strength", item.value / 100)));
    if (this.data.answers) this.buildAnswer();
  }
  // Components that have no sound can still be switched: the answers are known, only nothing changes in what plays.
  get kept() { return this.bank.mixed ? this.bank.chosen : this.bits; }
  get mask() { let mask = 0; for (const i of this.kept) mask |= 1 << i; return mask; }
  flip(bit) {
    const kept = new Set(this.bank.mixed && !this.bank.isMix() ? this.bank.components : this.kept);
    if (!kept.delete(bit)) kept.add(bit);
    if (this.bank.mixed) player.choose([...kept].sort()); else this.bits = kept;
    this.draw();
  }
  only(item) {
    const tracks = item.dataset.tracks.split(" ").filter(Boolean).map(Number), again = player.playing && this.sounds(tracks);
    if (again) { player.stop(); this.draw(); return; }
    player.choose(tracks);
    if (!player.playing) { player.offset = 0; player.play(); }
    this.draw();
  }
  toggle() { if (player.playing) player.stop(); else player.play(); this.draw(); }
  sounds(tracks) { return tracks.length === this.bank.chosen.size && tracks.every(track => this.bank.chosen.has(track)); }
  buildAnswer() {
    this.bars = this.data.labels.slice(0, 6).map((label, i) => {
      const fill = drawn("rect", { class: "fill", height: "100%", rx: 2 }), was = `${100 * this.data.full[i]}%`;
      const svg = drawn("svg", { class: "chance", "aria-hidden": "true" });
      svg.append(drawn("rect", { class: "track", width: "100%", height: "100%", rx: 2 }), fill,
                 drawn("line", { class: "was", x1: was, x2: was, y1: -3, y2: 8 }));
      const number = make("span", { className: "number" });
      const item = make("li", {}, make("bdi", { textContent: label }), number, svg);
      this.one(".now").append(item);
      return { item, number, fill };
    });
  }
  answer() {
    const row = this.data.answers[this.mask], best = row.indexOf(Math.max(...row));
    this.one(".headline").replaceChildren(make("bdi", { textContent: this.data.labels[best] }),
      make("span", { className: "number", textContent: ` ${probability(row[best])}` }));
    this.bars.forEach(({ item, number, fill }, i) => {
      item.classList.toggle("first", i === best);
      number.textContent = probability(row[i]);
      fill.setAttribute("width", `${100 * row[i]}%`);
    });
    this.one(".mix").replaceChildren(...this.describe());
  }
  describe() {
    const kept = [...this.kept].sort((a, b) => a - b), all = this.data.names.length, off = this.data.off;
    const level = this.bank.mixed ? ` · ${decibel(this.bank.power(kept))}` : "";
    if (kept.length === all) return [off ? "All features as they are" : `All components${level}`];
    if (!kept.length && off) return [`All features ${off}`];
    if (!kept.length) return ["Everything is off: nothing to hear, but the model was asked all the same."];
    const names = kept.flatMap((i, at) => [at ? " + " : "", make("bdi", { textContent: this.data.names[i] })]);
    if (off) return [...names, ` as in the recording, the rest ${off}`];
    return [...names, ` alone${level}`.replace(kept.length > 1 ? " alone" : /$^/, "")];
  }
  draw() {
    const mix = !this.bank.mixed || this.bank.isMix();
    this.all(".switch").forEach(item => {
      const on = !mix || this.kept.has(Number(item.dataset.bit));
      item.setAttribute("aria-checked", on);
      item.closest(".row").classList.toggle("off", !on);
    });
    if (this.data.answers) {
      if (mix) this.answer();
      else this.unasked();
    }
    this.controls();
  }
  // The recording itself, where the components miss a part of it: the model was asked about their sum.
  unasked() {
    const kept = this.bank.chosen;
    this.bank.chosen = new Set(this.bank.components);
    this.answer();
    this.bank.chosen = kept;
    this.one(".mix").textContent = "You hear the recording itself; the answer is to all components together.";
  }
  controls() {
    const playing = player.playing && player.bank === this.bank;
    this.one(".main").setAttribute("aria-pressed", playing);
    this.one(".main span").textContent = playing ? "Pause" : "Play";
    this.one(".loop").setAttribute("aria-checked", player.loop);
    this.all(".play").forEach(item => {
      const tracks = item.dataset.tracks.split(" ").filter(Boolean).map(Number);
      item.setAttribute("aria-pressed", playing && this.sounds(tracks));
    });
    this.tick();
  }
  tick() {
    const at = player.bank === this.bank ? player.position : 0;
    this.one(".head").hidden = at === 0 && !player.playing;
    this.one(".head").style.left = `${100 * at / this.span}%`;
    this.one(".time").textContent = `${at.toFixed(1)} / ${this.bank.duration.toFixed(1)} s`;
    const seek = this.one(".seek");
    if (document.activeElement !== seek || player.playing) seek.value = at;
    seek.setAttribute("aria-valuetext", `${at.toFixed(1)} seconds`);
  }
  show() {
    panels.forEach(panel => panel.element.classList.toggle("shown", panel === this));
    player.load(this.bank);
    current = this;
    this.draw();
  }
}

// --- choosing a panel -----------------------------------------------------------------------------------------------

const told = [];   // who is told which panel was chosen
function choose(number) {
  panels[number].show();
  told.forEach(tell => tell(number));
}

function tabs() {
  const found = [...document.querySelectorAll("[role=tab]")], list = document.getElementById("choose");
  told.push(number => {
    found.forEach((tab, i) => { tab.setAttribute("aria-selected", i === number); tab.tabIndex = i === number ? 0 : -1; });
    if (list) list.value = number;
  });
  found.forEach((tab, i) => {
    tab.addEventListener("click", () => choose(i));
    tab.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = (i + step + found.length) % found.length;
      found[next].focus();
      choose(next);
    });
  });
  list?.addEventListener("change", () => choose(Number(list.value)));
}

function frame() {
  if (player.playing) current.tick();
  requestAnimationFrame(frame);
}

const banks = data.banks.map((spec, i) => new Bank(spec, i));
const player = new Player();
let current;
document.documentElement.classList.add("js");
const panels = [...document.querySelectorAll(".panel")].map((element, i) => new Panel(element, data.panels[i]));
player.onchange = () => current.draw();
tabs();
choose(0);
requestAnimationFrame(frame);
window.hearwhy = { renderMix, banks, player, choose, onchoose: tell => told.push(tell) };
})();
