// The board: asks for one frame after the other while it plays, shows what it gets, and opens a number that is chosen.
// The server trains only while a frame is made, so a page that is hidden or closed costs nothing.

const one = (selector, root = document) => root.querySelector(selector);
const { shapes, colours, sides, pasted } = JSON.parse(one("#drawing").textContent);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");
const settings = one("#settings");

let run = 0; // the number of the run that is shown
let scene = null; // what stays as it is in this run
let shown = null; // the last frame
let playing = false;
let looping = false;
let chosen = null; // the entry that is unfolded, and the button that opened it

// --- asking ---------------------------------------------------------------------------------------------------------

let last = Promise.resolve(); // requests go one after the other, so that no answer is older than the one before

function ask(path, given) {
  last = last.then(() => send(path, given));
  return last;
}

async function send(path, given) {
  let answer;
  try {
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(given) });
    answer = response.ok ? await response.json() : { refused: await response.text() };
  } catch {
    answer = { refused: "the board's server has ended; start handgrad play again" };
  }
  if (answer.refused === undefined) return answer;
  refuse(answer.refused);
  return null;
}

function refuse(text) {
  one("#refused").textContent = text;
  if (text) say("");
}

function say(text) {
  if (one("#said").textContent !== text) one("#said").textContent = text;
}

// One frame; `steps` as the server takes them: a number, or null for as many as fit.
async function frame(steps) {
  const began = performance.now();
  const gradients = one("[name=kind]:checked").value === "gradients";
  const answer = await ask("frame", { run, steps, parameter: one("#parameter").value, gradients });
  if (answer === null) return false;
  show(answer);
  if (steps === null) {
    const took = Math.round(performance.now() - began);
    one("#pace").textContent = `${answer.made} steps of both sides in a frame of ${took} ms`;
  }
  return true;
}

// What changes the board: says what came of it, or why it is refused, and shows the board as it is then.
async function change(path, given) {
  const answer = await ask(path, given);
  if (answer === null) return null;
  refuse("");
  say(answer.said);
  await frame(0);
  return answer;
}

// --- playing --------------------------------------------------------------------------------------------------------

const pause = () => play(false);

function play(on) {
  playing = on;
  const [sign, word] = one("[data-do=play]").children;
  sign.textContent = on ? "❚❚" : "▶";
  word.textContent = on ? "Pause" : "Play";
  if (on) loop();
}

async function loop() {
  if (looping) return; // one at a time
  looping = true;
  while (playing && document.visibilityState === "visible") {
    if (!(await frame(null)) || shown.ended) pause();
    await new Promise((next) => (still.matches ? setTimeout(next, 500) : requestAnimationFrame(next)));
  }
  looping = false;
}

document.addEventListener("visibilitychange", loop);
dark.addEventListener("change", () => shown && show(shown));

const actions = {
  play: () => play(!playing),
  step: () => (pause(), frame(1)),
  reset: () => (pause(), change("reset", {})),
};
for (const button of all("[data-do]")) button.addEventListener("click", actions[button.dataset.do]);

// --- settings -------------------------------------------------------------------------------------------------------

settings.addEventListener("submit", (event) => event.preventDefault());
settings.addEventListener("change", async ({ target }) => {
  const answer = await change("change", { name: target.name, text: target.value });
  target.setAttribute("aria-invalid", answer === null);
  if (answer !== null) fill(answer.settings, target);
  else target.setAttribute("aria-describedby", "refused");
});

// The settings as they are; what is being typed into another field than the one that was changed stays.
function fill(values, changed = null) {
  for (const [name, text] of Object.entries(values)) {
    const field = settings.elements[name];
    if (field === document.activeElement && field !== changed) continue;
    if (field.tagName === "SELECT" && ![...field.options].some((option) => option.value === text)) {
      field.append(new Option(text === pasted ? "your own rows" : text, text));
    }
    field.value = text;
    field.removeAttribute("aria-invalid");
  }
}

one("#paste").addEventListener("submit", (event) => {
  event.preventDefault();
  const { text, target, missing, leave_out } = event.target.elements;
  change("paste", { text: text.value, target: target.value, missing: missing.value, leave_out: leave_out.value });
});

// --- drawing --------------------------------------------------------------------------------------------------------

const word = (text, x, y, anchor = "start") =>
  element("text", { x, y, "text-anchor": anchor, fill: "var(--muted)" }, text);

// So many significant digits; the server writes what is no finite number as a text.
function number(value, digits = 6) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return String(Number(value.toPrecision(digits)));
  return { nan: "NaN", inf: "∞", "-inf": "−∞" }[value] ?? value;
}

const percent = (value) => (typeof value === "number" ? `${(100 * value).toFixed(2)} %` : "–");

// Corners of a class's mark around (x, y); none for a circle.
const corners = (kind, x, y, r) => shapes[kind % shapes.length].map(([a, b]) => [x + r * a, y + r * b]);

function mark(pen, kind, x, y, r) {
  pen.beginPath();
  const places = corners(kind, x, y, r);
  if (places.length) places.forEach(([a, b]) => pen.lineTo(a, b));
  else pen.arc(x, y, r, 0, 7);
  pen.closePath();
}

const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

// From dark blue over grey to yellow, lighter throughout: read without colour as well.
const SCALE = [[0, 34, 78], [124, 123, 120], [254, 232, 56]];

function shade(byte) {
  const place = (2 * byte) / 255;
  const [low, high, part] = place < 1 ? [SCALE[0], SCALE[1], place] : [SCALE[1], SCALE[2], place - 1];
  return low.map((value, i) => value + part * (high[i] - value));
}

// Colours of the map: of classes the paler, the less sure.
function pixels({ answer, lead }) {
  const [first, second] = [bytes(answer), lead ? bytes(lead) : null];
  return [...first].map((value, i) => {
    if (!second) return shade(value);
    const strength = 0.12 + (0.5 * second[i]) / 255;
    return rgb(colours[value % colours.length]).map((part) => 255 - strength * (255 - part));
  });
}

function map(side, found) {
  const canvas = one(`#map-${side}`);
  const pen = canvas.getContext("2d");
  const size = canvas.width;
  const caption = found ? found.said : "no map: an answer is not finite";
  pen.clearRect(0, 0, size, size);
  one(`#map-${side}-said`).textContent = caption;
  canvas.setAttribute("aria-label", `What ${sides[side]} answers over the plane: ${caption}`);
  if (!found) return;
  const { side: n, points } = scene.plane;
  const small = new OffscreenCanvas(n, n);
  const image = new ImageData(n, n);
  const answers = bytes(found.answer);
  pixels(found).forEach((colour, i) => {
    const at = (n - 1 - Math.floor(i / n)) * n + (i % n); // the first row is the lowest
    image.data.set([...colour, 255], 4 * at);
  });
  small.getContext("2d").putImageData(image, 0, 0);
  pen.imageSmoothingEnabled = true;
  pen.drawImage(small, 0, 0, size, size);
  // What is answered stands in every region as a large hollow mark, the training examples as small full ones.
  if (found.lead) {
    pen.strokeStyle = "rgb(0 0 0 / 45%)";
    pen.lineWidth = 2;
    for (let i = 4; i < n; i += 8) {
      for (let j = 4; j < n; j += 8) {
        mark(pen, answers[i * n + j], ((j + 0.5) / n) * size, (1 - (i + 0.5) / n) * size, 15);
        pen.stroke();
      }
    }
  }
  pen.strokeStyle = "#1c1c1c";
  pen.lineWidth = 1;
  for (const [x, y, kind] of points) {
    const [r, g, b] = found.lead ? rgb(colours[kind % colours.length]) : shade(kind);
    pen.fillStyle = `rgb(${r} ${g} ${b})`;
    mark(pen, found.lead ? kind : 0, x * size, (1 - y) * size, 7);
    pen.fill();
    pen.stroke();
  }
}

// Both losses over the steps, on a log scale where they allow one.
function curve(places) {
  const svg = one("#curve");
  const values = places.flatMap(([, ...losses]) => losses).filter((value) => typeof value === "number");
  if (!values.length) values.push(1);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const scale = low > 0 ? Math.log10 : (value) => value;
  const [bottom, height] = [scale(low), scale(high) - scale(low) || 1];
  const steps = places[places.length - 1][0] || 1;
  const at = (step, loss) => `${(66 + (324 * step) / steps).toFixed(1)},${(10 + 195 * (1 - (scale(loss) - bottom) / height)).toFixed(1)}`;
  const line = (column) => places.filter((place) => typeof place[column] === "number").map((place) => at(place[0], place[column])).join(" ");
  svg.replaceChildren(
    element("rect", { x: 66, y: 10, width: 324, height: 195, fill: "none", stroke: "var(--grid)" }),
    element("polyline", { points: line(1), fill: "none", stroke: "var(--numpy)", "stroke-width": 5, "stroke-opacity": 0.45 }),
    element("polyline", { points: line(2), fill: "none", stroke: "var(--torch)", "stroke-width": 1.6, "stroke-dasharray": "5 4" }),
    word(number(high, 3), 60, 22, "end"),
    word(number(low, 3), 60, 205, "end"),
    word("0", 66, 224),
    word(`step ${steps}`, 390, 224, "end"),
  );
  const [, ours, theirs] = places[places.length - 1];
  one("#curve-said").textContent = `At step ${places[places.length - 1][0]}: NumPy ${number(ours)}, PyTorch ${number(theirs)}; between ${number(low, 3)} and ${number(high, 3)}.`;
}

// The weights between columns of neurons. Lines stay in the page and change: a new one would be no longer under the pointer.
let wires = [];

function weave() {
  const names = Object.keys(scene.parameters).filter((name) => scene.parameters[name].length === 2);
  const svg = one("#net");
  const widths = names.length ? [scene.parameters[names[0]][1], ...names.map((name) => scene.parameters[name][0])] : [];
  const shownOf = widths.map((width, k) => Math.min(width, k ? shown.net[k - 1].length : shown.net[0][0].length));
  const height = 28 * Math.max(1, ...shownOf) + 34;
  svg.setAttribute("viewBox", `0 0 400 ${height}`);
  svg.setAttribute("aria-label", `The net ${widths.join("-")}`);
  const place = (k, j) => [30 + (340 * k) / Math.max(1, widths.length - 1), 8 + ((height - 34) * (j + 0.5)) / shownOf[k]];
  const nodes = [];
  wires = names.map((name, k) =>
    shown.net[k].map((row, i) =>
      row.map((_, j) => {
        const [[x1, y1], [x2, y2]] = [place(k, j), place(k + 1, i)];
        const line = element("line", { x1, y1, x2, y2, class: "wire" }, element("title", {}));
        line.addEventListener("click", () => open(`${name}[${i},${j}]`));
        return line;
      }),
    ),
  );
  widths.forEach((width, k) => {
    for (let j = 0; j < shownOf[k]; j++) {
      const [cx, cy] = place(k, j);
      nodes.push(element("circle", { cx, cy, r: 8, fill: "var(--card)", stroke: "var(--ink)" }));
    }
    const [x] = place(k, 0);
    nodes.push(word(width > shownOf[k] ? `${shownOf[k]} of ${width}` : `${width}`, x, height - 8, "middle"));
  });
  svg.replaceChildren(...wires.flat(2), ...nodes);
}

function draw(net) {
  net.forEach((rows, k) => {
    const most = Math.max(...rows.flat().map(Math.abs).filter(Number.isFinite), 1e-30);
    rows.forEach((row, i) =>
      row.forEach((value, j) => {
        const line = wires[k][i][j];
        line.setAttribute("stroke", value < 0 ? "var(--minus)" : "var(--plus)");
        line.setAttribute("stroke-width", (0.5 + (4 * Math.abs(value)) / most || 0.5).toFixed(2));
        line.setAttribute("stroke-dasharray", value < 0 ? "6 3" : "none");
        line.firstChild.textContent = `weight ${number(value, 4)}`;
      }),
    );
  });
}

// --- the numbers of a parameter -------------------------------------------------------------------------------------

const cell = (i, j) => one(`#numbers button[data-i="${i}"][data-j="${j}"]`);

function table({ parameter, gradients, rows }) {
  const body = one("#numbers").tBodies[0];
  const flat = scene.parameters[parameter].length === 1;
  const key = [run, parameter, rows.length, rows[0]?.length].join();
  if (body.dataset.key !== key) {
    body.dataset.key = key;
    body.replaceChildren(
      ...rows.map((row, i) => {
        const line = document.createElement("tr");
        row.forEach(([text], j) => {
          const part = line.insertCell();
          if (text === "…") return (part.textContent = text);
          const button = document.createElement("button");
          Object.assign(button, { type: "button", tabIndex: i + j ? -1 : 0 });
          Object.assign(button.dataset, { i, j });
          button.append("", document.createElement("small"), document.createElement("small"));
          return part.append(button);
        });
        return line;
      }),
    );
  }
  rows.forEach((row, i) =>
    row.forEach(([ours, theirs, apart, kind, share], j) => {
      const part = body.rows[i].cells[j];
      const button = part.firstElementChild;
      if (!button) return;
      const [first, second, third] = button.childNodes;
      first.data = ours;
      second.textContent = theirs;
      third.textContent = apart;
      part.className = kind;
      part.style.setProperty("--s", `${share}%`);
      button.dataset.entry = `${gradients ? "" : "update "}${parameter}[${flat ? j : `${i},${j}`}]`;
    }),
  );
  one("#numbers-said").textContent = rows.length
    ? "NumPy's number; below it PyTorch's, where it is another one, and how far that is in units in the last place. Arrow keys move between the numbers, Enter opens one."
    : "There is no gradient before the first step.";
}

one("#numbers").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) open(button.dataset.entry, button);
});

one("#numbers").addEventListener("keydown", (event) => {
  const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  const from = event.target.dataset;
  const to = move && cell(Number(from.i) + move[0], Number(from.j) + move[1]);
  if (!to) return;
  event.preventDefault();
  reach(to);
});

// Of all the numbers Tab reaches one, the last that was used.
function reach(button) {
  all('#numbers button[tabindex="0"]').forEach((other) => (other.tabIndex = -1));
  button.tabIndex = 0;
  button.focus();
}

for (const field of [one("#parameter"), ...all("[name=kind]")]) field.addEventListener("change", () => frame(0));

// --- a number opened ------------------------------------------------------------------------------------------------

async function open(entry, button = null, depth = 1) {
  pause(); // so that it stays the number that is seen
  const answer = await ask("unfold", { entry, depth });
  if (answer === null) return;
  refuse("");
  chosen = { entry, button };
  one("#opened").hidden = false;
  one("#opened-title").textContent = `${answer.what}, step ${answer.step}`;
  one("#unfolded").innerHTML = answer.html; // of this machine's own server, which escapes every name in it
  one("#depth").value = depth;
  const again = shown.command ? ` The same in a terminal: ${shown.command} --entry '${entry}'` : "";
  one("#opened-said").textContent = `Both sides start this step from NumPy's weights, as handgrad trace has it.${again}`;
  one("#opened-title").focus();
  one("#opened").scrollIntoView({ block: "nearest" });
}

one("#depth").addEventListener("change", ({ target }) => open(chosen.entry, chosen.button, Number(target.value)));
one("#back").addEventListener("click", () => {
  const there = chosen.button?.isConnected ? chosen.button : one('#numbers button[tabindex="0"]');
  if (there) reach(there);
});

// --- a frame shown --------------------------------------------------------------------------------------------------

// A new run: what its controls, tables and pictures are of.
function arrange() {
  fill(scene.settings);
  one("#about").textContent = [scene.about, `${scene.batch} examples per step`, ...scene.notes].join(". ");
  const names = Object.keys(scene.parameters);
  const kept = one("#parameter").value;
  one("#parameter").replaceChildren(...names.map((name) => new Option(`${name} (${scene.parameters[name].join(" × ")})`, name)));
  if (names.includes(kept)) one("#parameter").value = kept;
  one("#depth").replaceChildren(...Array.from({ length: scene.layers + 1 }, (_, i) => new Option(i + 1)));
  all("[data-loss]").forEach((link) => (link.href = `/step#move-${scene.layers + 1}`));
  one("#opened").hidden = true;
  one("#pace").textContent = "";
  one("#plane").hidden = scene.plane === null;
  if (scene.plane) {
    const [x, y] = [0, 1].map((i) => `${scene.plane.names[i] ?? `x${i}`} from ${number(scene.plane.low[i], 3)} to ${number(scene.plane.high[i], 3)}`);
    const values = scene.plane.values.map((value) => number(value, 3)).join(" (dark) to ");
    const marks = "Large hollow marks: what is answered there; small full marks: training examples.";
    one("#axes").textContent = `To the right ${x}, upwards ${y}. ${scene.classes.length ? marks : `Shades: from ${values} (light); marks: training examples.`}`;
    one("#legend").replaceChildren(...scene.classes.map(entry));
  }
  weave();
}

// A class in the legend, with its mark.
function entry(name, kind) {
  const item = document.createElement("li");
  const look = { fill: colours[kind % colours.length], stroke: "#1c1c1c" };
  const places = corners(kind, 8, 8, 5);
  const drawn = places.length ? element("polygon", { ...look, points: places.join(" ") }) : element("circle", { ...look, cx: 8, cy: 8, r: 5 });
  item.append(element("svg", { viewBox: "0 0 16 16", "aria-hidden": true }, drawn), ` ${name}`);
  return item;
}

function show(found) {
  const fresh = found.scene !== undefined;
  [shown, run] = [found, found.run];
  if (fresh) scene = found.scene;
  if (fresh) arrange();
  one("#now").textContent = `step ${found.step.toLocaleString("en")}`;
  if (found.ended) say(found.ended);
  for (const place of all("[data-of]")) {
    const [side, key] = place.dataset.of.split(".");
    const value = found.sides[side][key];
    place.textContent = key.endsWith("accuracy") ? percent(value) : number(value);
  }
  for (const row of all("[data-row]")) {
    row.hidden = row.dataset.row !== "batch_loss" && Object.keys(sides).every((side) => found.sides[side][row.dataset.row] === null);
  }
  for (const side of Object.keys(sides)) one(`#verdict-${side}`).textContent = found.sides[side].verdict || "no step yet";
  apart(found.apart);
  curve(found.curve);
  if (scene.plane) Object.entries(found.maps).forEach(([side, answers]) => map(side, answers));
  draw(found.net);
  if (found.table) table(found.table);
}

function apart({ ulps, relative, parameter, index }) {
  const place = `${parameter}[${index.join(",")}]`;
  const button = one("#apart button") ?? document.createElement("button");
  Object.assign(button, { type: "button", className: "link", onclick: () => open(`update ${place}`) });
  const text = `${number(ulps, 3)} units in the last place, at ${place}`;
  if (button.textContent !== text) button.textContent = text;
  if (!button.isConnected) one("#apart").replaceChildren(button, document.createElement("span"));
  one("#apart span").textContent = `; ${number(relative, 2)} of the largest weight`;
}

frame(0);
