// What the page holds: the overview as JSON, and the rest packed until it is asked for.

const data = JSON.parse(find("#data").textContent);
const unpackedOnce = new Map();

async function unpack(id) {
  const bytes = Uint8Array.from(atob(find(`#${id}`).textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

/** The episodes, answers and numbers of one task of one run. */
function detail(run, task) {
  const place = data.runs[run].tasks.findIndex((row) => row.task === task);
  const id = `detail-${run}-${place}`;
  if (!unpackedOnce.has(id)) unpackedOnce.set(id, unpack(id).then(JSON.parse));
  return unpackedOnce.get(id);
}

const row = (run, task) => data.runs[run]?.tasks.find((one) => one.task === task);
/** A procedure by name. Those of users have no look of their own. */
function procedure(name) {
  const { title: text, colour } = data.procedures[name] ?? { title: name, colour: "#4a6b1f" };
  return { title: text, colour: toned(colour) };
}

/** A colour of the figures; on a dark ground a dark one is mixed with white. */
function toned(colour) {
  if (!matchMedia("(prefers-color-scheme: dark)").matches) return colour;
  const parts = colour.match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
  const light = (0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]) / 255;
  const white = Math.max(0, Math.min(0.6, 0.75 - 1.5 * light));
  return `rgb(${parts.map((part) => Math.round(part + white * (255 - part))).join(" ")})`;
}

const title = (task) => data.tasks[task]?.title ?? task;
const of = (runs) => runs.map((run, place) => ({ ...run, place }));

/** The address of a view. */
function link(view, options = {}) {
  return `#${new URLSearchParams({ view, ...options })}`;
}

/** One answer: what was said, whether it is right or an answer of the task, and its numbers in nats.
 *  Blocks of a sweep lie one after the other. */
function answer(detailed, answers, episode, block = 0) {
  const count = episode.of;
  const at = block * count + episode.number;
  return {
    said: detailed.words[answers.said[at]],
    right: answers.right[at] === "1",
    inSet: answers.inSet[at] === "1",
    log: answers.log[at] / 100,
    margin: answers.margin[at] / 100,
  };
}

function download(name, type, parts) {
  const address = URL.createObjectURL(new Blob(parts, { type }));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
