// --- the timeline: its windows choose a panel, and panels mark their window --------------------------------------------
(() => {
const timeline = JSON.parse(document.getElementById("data").textContent).timeline;
const courses = [...document.querySelectorAll(".course")], NEAR_PX = 10;   // a window of a pixel can still be hit

class Course {
  constructor(element, number) {
    Object.assign(this, { element, number, words: timeline.words[number], at: 0 });
    this.map = element.querySelector(".windows");
    this.items = [...element.querySelectorAll(".window")];
    this.readout = element.querySelector(".readout");
    this.map.addEventListener("click", event => this.click(event));
    this.map.addEventListener("pointermove", event => this.tell(this.under(event)));
    this.map.addEventListener("pointerleave", () => this.tell(timeline.heard[this.at]));
    this.map.addEventListener("keydown", event => this.key(event));
  }
  // The window below the pointer; one that can be heard comes first where several are as near.
  under(event) {
    const box = this.map.getBoundingClientRect(), x = 100 * (event.clientX - box.left) / box.width;
    const last = timeline.edges.length - 2;
    let i = 0;
    while (i < last && timeline.edges[i + 1] <= x) i++;
    if (timeline.heard.includes(i)) return i;
    const away = number => Math.max(timeline.edges[number] - x, x - timeline.edges[number + 1], 0) * box.width / 100;
    const nearest = timeline.heard.reduce((best, number) => away(number) < away(best) ? number : best);
    const narrow = (timeline.edges[i + 1] - timeline.edges[i]) * box.width / 100 < NEAR_PX;
    return narrow && away(nearest) < NEAR_PX ? nearest : i;
  }
  click(event) {
    const window = this.under(event), at = timeline.heard.indexOf(window);
    if (at >= 0) this.choose(at);
    this.tell(window);
  }
  key(event) {
    const end = this.items.length - 1;
    const next = { ArrowRight: this.at + 1, ArrowDown: this.at + 1, ArrowLeft: this.at - 1, ArrowUp: this.at - 1,
                   Home: 0, End: end, Enter: this.at, " ": this.at }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.choose(Math.min(Math.max(next, 0), end));
    this.items[this.at].focus();
  }
  choose(at) { hearwhy.choose(at * courses.length + this.number); }
  mark(at, mine) {
    this.at = at;
    this.items.forEach((item, i) => {
      item.setAttribute("aria-selected", mine && i === at);
      item.setAttribute("tabindex", i === at ? 0 : -1);
    });
    this.map.append(this.items[at]);   // drawn last, its frame lies above its neighbours
    this.tell(timeline.heard[at]);
  }
  tell(window) {
    if (this.readout.textContent !== this.words[window]) this.readout.textContent = this.words[window];
  }
}

const all = courses.map((element, i) => new Course(element, i));
hearwhy.onchoose(panel => {
  const at = Math.floor(panel / courses.length), number = panel % courses.length;
  all.forEach(course => course.mark(at, course.number === number));
});
hearwhy.choose(timeline.first * courses.length);
})();
