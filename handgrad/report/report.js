// What a page does beyond showing: tables sort, pictures are saved, a slider moves through training or through a step.
// Nothing here is needed for reading: without a script a page shows the last moment of training, and every move of a step.

// --- tables that sort -----------------------------------------------------------------------------------------------

const UNITS = { "": 1, "%": 0.01, ns: 1e-9, "µs": 1e-6, ms: 1e-3, s: 1, min: 60 };
const NUMBER = /^([-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?∞)\s*(%|ns|µs|ms|s|min)?(?: of [\d,]+)?$/;

// The number a cell shows, in units of its column; null where it shows none.
function numberIn(text) {
  const found = NUMBER.exec(text.replace(/−/g, "-"));
  if (!found) return null;
  return Number(found[1].replace(/,/g, "").replace("∞", "Infinity")) * UNITS[found[2] ?? ""];
}

// What a cell says, without the small print under it.
function wordsIn(cell) {
  const shown = [...cell.childNodes].filter((node) => node.nodeName !== "SMALL");
  return shown.map((node) => node.textContent).join("").trim();
}

// Numbers before words, and "–", "NaN" and empty cells after everything, in either direction.
function compare(a, b, direction) {
  const rank = ({ text, number }) => (number !== null ? 0 : ["", "–", "NaN"].includes(text) ? 2 : 1);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (rank(a) === 0) return direction * (a.number - b.number || 0);
  return rank(a) === 1 ? direction * a.text.localeCompare(b.text, "en", { numeric: true }) : 0;
}

function sortable(heads) {
  const table = heads[0].closest("table");
  const body = table.tBodies[0];
  const written = [...body.rows];
  const next = { none: "ascending", ascending: "descending", descending: "none" };

  function sort(head) {
    const order = next[head.getAttribute("aria-sort")];
    heads.forEach((other) => other.setAttribute("aria-sort", other === head ? order : "none"));
    if (order === "none") return body.append(...written);
    const keyed = written.map((row) => {
      const text = wordsIn(row.cells[head.cellIndex]);
      return { row, text, number: numberIn(text) };
    });
    const direction = order === "ascending" ? 1 : -1;
    body.append(...keyed.sort((a, b) => compare(a, b, direction)).map(({ row }) => row));
  }

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head));
    head.append(button);
    head.setAttribute("aria-sort", "none");
  }
}

for (const table of all("table")) {
  const heads = all("th[data-sort]", table);
  if (heads.length && table.tBodies[0].rows.length > 1) sortable(heads);
}

// --- pictures as files ----------------------------------------------------------------------------------------------

// The picture as a file that any program opens: light colours in place of the page's, white paper, a size, a title.
function standalone(svg) {
  const copy = svg.cloneNode(true);
  all(".here", copy).forEach((frame) => frame.remove());
  const [x, y, width, height] = copy.getAttribute("viewBox").split(/[\s,]+/);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  const title = element("title", {}, copy.getAttribute("aria-label"));
  copy.prepend(title, element("rect", { x, y, width, height, fill: "#ffffff" }));
  const text = new XMLSerializer().serializeToString(copy);
  return '<?xml version="1.0" encoding="UTF-8"?>\n' + text.replace(/var\(--[\w-]+,\s*([^()]+)\)/g, "$1") + "\n";
}

// A shaded table drawn as a picture.
function drawn(table, label) {
  const rows = [...table.rows].map((row) => [...row.cells]);
  const longest = Math.max(...all("th", table).map((head) => head.textContent.length));
  const [wide, high, margin] = [Math.max(44, 8 * longest + 12), 32, 12];
  const size = [rows[0].length * wide, rows.length * high].map((length) => length + 2 * margin);
  const svg = element("svg", { viewBox: `0 0 ${size.join(" ")}`, "aria-label": label, "font-family": "system-ui, sans-serif" });
  rows.forEach((cells, i) => {
    cells.forEach((cell, j) => {
      const [x, y] = [margin + j * wide, margin + i * high];
      const shade = cell.style.getPropertyValue("--shade") / 100;
      const box = { x: x + 1, y: y + 1, width: wide - 2, height: high - 2, fill: "#0072b2", "fill-opacity": shade };
      const is = (kind) => cell.classList.contains(kind);
      const look = { fill: is("full") ? "#ffffff" : "#1b2027", "font-weight": is("right") ? 650 : 400, "font-size": 13, "text-anchor": "middle" };
      if (shade) svg.append(element("rect", box));
      svg.append(element("text", { ...look, x: x + wide / 2, y: y + high / 2 + 5 }, cell.textContent));
    });
  });
  return svg;
}

function download(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser may still be reading it
}

for (const button of all("button.save")) {
  const figure = button.closest("figure");
  button.hidden = false;
  button.addEventListener("click", () => {
    const moment = figure.querySelector(".moment")?.textContent ?? "";
    const name = `${button.dataset.name} ${moment}`.trim().replace(/[^\w.-]+/g, "-");
    const shown = figure.querySelector("svg") ?? drawn(figure.querySelector("table"), figure.querySelector("h3").textContent);
    download(standalone(shown), `${name}.svg`);
  });
}

// --- values of a picture --------------------------------------------------------------------------------------------

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };

// Marks with a <title> say it in the line under their picture: under the pointer or a finger, and to the arrow keys.
function readable(shot) {
  const said = shot.parentElement.querySelector(".reading");
  const marks = () => all("title", shot).map((title) => title.parentElement);
  const count = marks().length;
  if (!said || !count) return;
  const frame = element("rect", { class: "here" });
  let at = -1; // the mark that is read; -1: none

  function leave() {
    at = -1;
    frame.remove();
    said.textContent = "";
  }

  function read(index) {
    at = Math.min(Math.max(index, 0), count - 1);
    const mark = marks()[at];
    const { x, y, width, height } = mark.getBBox();
    const around = { x: x - 3, y: y - 3, width: width + 6, height: height + 6, transform: mark.getAttribute("transform") ?? "" };
    Object.entries(around).forEach(([key, value]) => frame.setAttribute(key, value));
    mark.parentElement.append(frame);
    said.textContent = mark.querySelector("title").textContent;
  }

  said.hidden = false;
  shot.tabIndex = 0;
  shot.setAttribute("role", "group");
  shot.setAttribute("aria-label", `Values: ${shot.parentElement.querySelector("h3").textContent}`);
  shot.addEventListener("focus", () => {
    if (at < 0 && shot.matches(":focus-visible")) said.textContent = `${count} values: ← and → go through them`;
  });
  shot.addEventListener("blur", leave);
  shot.addEventListener("keydown", (event) => {
    if (!(event.key in STEPS) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    read(at + STEPS[event.key]);
  });
  shot.addEventListener("pointerover", (event) => {
    const index = marks().indexOf(event.target);
    if (index >= 0) read(index);
  });
  shot.addEventListener("pointerleave", () => document.activeElement === shot || leave());
  shot.addEventListener("moment", () => at < 0 || read(at)); // another moment's picture: the same mark
}

all(".shot").forEach(readable);

// --- sliders --------------------------------------------------------------------------------------------------------

// The slider of `root` over moments with these labels: `draw` draws one. Gives what shows a moment from elsewhere.
function slide(root, labels, draw) {
  const [slider, said, play] = ["input", "output", "[data-play]"].map((part) => root.querySelector(part));
  const last = labels.length - 1;
  let timer = 0;

  function show(moment) {
    const label = labels[moment];
    draw(moment, label);
    slider.value = moment;
    slider.setAttribute("aria-valuetext", label);
    if (said.textContent !== label) said.textContent = label;
    all("[data-go]", root).forEach((button) => {
      button.setAttribute("aria-disabled", moment === (button.dataset.go < 0 ? 0 : last));
    });
  }

  function playing(on) {
    clearInterval(timer);
    timer = on ? setInterval(advance, Math.min(800, Math.max(350, 10_000 / labels.length))) : 0;
    const [sign, word] = play.children;
    sign.textContent = on ? "❚❚" : "▶";
    word.textContent = on ? "Pause" : "Play";
    said.setAttribute("aria-live", on ? "off" : "polite"); // a reader's voice cannot keep up
  }

  function advance() {
    show(Number(slider.value) + 1);
    if (Number(slider.value) === last) playing(false);
  }

  function go(moment) {
    playing(false);
    show(Math.min(last, Math.max(0, moment)));
  }

  slider.addEventListener("input", () => go(Number(slider.value)));
  for (const button of all("[data-go]", root)) {
    button.addEventListener("click", () => go(Number(slider.value) + Number(button.dataset.go)));
  }
  play.addEventListener("click", () => {
    if (timer) return playing(false);
    if (Number(slider.value) === last) show(0);
    playing(true);
  });

  // Who asked for less motion moves by hand.
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const calm = () => {
    play.hidden = still.matches;
    if (still.matches) playing(false);
  };
  still.addEventListener("change", calm);
  calm();
  root.querySelector(".controls").hidden = false;
  all(".unscripted", root).forEach((note) => (note.hidden = true));
  show(Number(slider.value));
  return go;
}

// Pictures of one moment of training each.
function film(root) {
  const slots = all(".shot", root);
  // Every moment is a label and one picture for each slot; the last one stands in the page already.
  const moments = all("template", root).map((template) => ({
    label: template.dataset.label,
    pictures: [...template.content.children].map((part) => part.firstElementChild),
  }));
  moments.push({ label: root.querySelector("output").textContent, pictures: slots.map((slot) => slot.firstElementChild) });
  slide(root, moments.map(({ label }) => label), (moment, label) => {
    slots.forEach((slot, i) => {
      slot.replaceChildren(moments[moment].pictures[i]);
      slot.dispatchEvent(new Event("moment"));
    });
    all(".moment", root).forEach((caption) => (caption.textContent = label));
  });
}

all(".film").forEach(film);

// Sections of which one is shown at a time; a link to any of them, or into one, shows it.
function walk(root) {
  const moves = all(".move", root);
  const labels = moves.map((move) => move.querySelector("h2").textContent);
  const go = slide(root, labels, (shown) => moves.forEach((move, i) => (move.hidden = i !== shown)));
  const open = (hash) => {
    const moment = moves.findIndex((move) => hash && move.contains(document.getElementById(hash.slice(1))));
    if (moment >= 0) go(moment);
  };
  document.addEventListener("click", (event) => open(event.target.closest('a[href^="#"]')?.hash));
  open(location.hash);
}

all(".walk").forEach(walk);
