// One episode: what was shown, asked and answered, by every procedure and after every block.

const KEPT = {
  all: ["all", () => true],
  lost: ["ICL right, vector wrong", (is) => is("icl").right && !is("task_vector").right],
  gained: ["vector right, ICL wrong", (is) => is("task_vector").right && !is("icl").right],
  recognised: ["vector: answer set but wrong", (is) => !is("task_vector").right && is("task_vector").inSet],
  outside: ["vector: no answer of the task", (is) => !is("task_vector").inSet],
};
const NONE = { right: false, inSet: false };

/** The episodes of a split, their words spelt out where they are stored. */
function episodes(found, split) {
  const all = found.episodes[split];
  const spelt = (numbers) => numbers?.map((at) => found.words[at]);
  return all.map((one, place) => ({
    number: place, of: all.length, query: found.words[one.query], expected: found.words[one.expected],
    accepted: spelt(one.accepted), inputs: spelt(one.inputs), answers: spelt(one.answers), dummies: spelt(one.dummies), prompt: spelt(one.prompt),
  }));
}

async function episodeView(options, go) {
  const { run = "0", task, split = "test", text = "" } = options;
  const filters = Object.keys(KEPT).filter((key) => split === "test" || !KEPT[key][0].includes("ICL"));
  const filter = filters.includes(options.filter) ? options.filter : "all";
  const found = await detail(run, task);
  const numbers = row(run, task);
  const layer = Number(options.layer ?? numbers.layer);
  const is = (one) => (name) => {
    if (split === "test") return found.test[name] ? answer(found, found.test[name], one) : NONE;
    return found.swept[name] ? answer(found, found.swept[name], one, found.swept[name].said.length > one.of ? layer : 0) : NONE;
  };
  const wanted = text.toLowerCase();
  const every = episodes(found, split);
  const says = (one) => [one.query, one.expected, is(one)("task_vector").said, is(one)("icl").said].join("\n").toLowerCase();
  const kept = every.filter((one) => KEPT[filter][1](is(one)) && (!wanted || says(one).includes(wanted)));
  const asked = kept.find((one) => one.number >= Number(options.episode ?? 0)) ?? kept.at(-1);
  const at = kept.indexOf(asked);
  const here = (changed) => ({ run, task, split, filter, text, layer, episode: asked?.number ?? 0, ...changed });
  const to = (by, key, name) => h("a", { class: "button", "data-key": key, href: link("episode", here({ episode: kept[(at + by + kept.length) % kept.length].number })) }, name);
  const search = h("input", { type: "search", value: text, onchange: (event) => go("episode", here({ text: event.target.value })) });
  return [
    h("h1", {}, h("a", { href: link("task", { run, task }) }, word(title(task))), asked ? `, ${split} episode ${asked.number}` : ""),
    h("p", { class: "quiet" }, word(data.runs[run].label)),
    h("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
      choose("Split", [["test", "test"], ["dev", "dev"]], split, (value) => go("episode", here({ split: value, episode: 0 }))),
      choose("Show", filters.map((key) => [key, KEPT[key][0]]), filter, (value) => go("episode", here({ filter: value, episode: 0 }))),
      h("label", { class: "field" }, h("span", {}, "Find"), search),
      kept.length ? [to(-1, "ArrowLeft", "← previous"), to(1, "ArrowRight", "next →")] : null),
    h("p", { role: "status", class: "quiet" }, kept.length ? `${at + 1} of ${kept.length} that are shown, of ${every.length}` : "No episode is like that."),
    asked ? oneEpisode(found, asked, split, layer, (value) => go("episode", here({ layer: value }))) : null,
  ];
}

function oneEpisode(found, episode, split, layer, move) {
  return [
    h("div", { class: "columns" }, h("section", {}, h("h2", {}, "Prompt"), demonstrations(episode)),
      h("section", {}, h("h2", {}, "Answers"), split === "test" ? given(found, episode) : byLayer(found, episode, layer, move))),
    episode.prompt ? h("section", {}, h("h2", {}, "Prompt as tokens"), h("p", { class: "prompt" }, episode.prompt.map((token) => word(token, "token")))) : null,
  ];
}

function demonstrations(episode) {
  const shown = episode.inputs
    ? h("ol", { class: "demonstrations" }, episode.inputs.map((input, place) => h("li", {}, word(input), " → ", word(episode.answers[place]))))
    : h("p", { class: "quiet" }, "The demonstrations of this result are not stored: it is of an earlier version. Measured again, it has them.");
  return [shown,
    h("dl", {},
      h("dt", {}, "Query"), h("dd", {}, word(episode.query)),
      h("dt", {}, "Expected"), h("dd", {}, word(episode.expected)),
      episode.accepted ? [h("dt", {}, "Accepted"), h("dd", {}, episode.accepted.map((one) => [word(one), " "]))] : null,
      episode.dummies ? [h("dt", {}, "Dummy queries"), h("dd", {}, episode.dummies.map((one) => [word(one), " "]))] : null)];
}

const NUMBERS = [
  { head: "Log-probability", right: true, key: (one) => one.log, cell: (one) => number(one.log) },
  { head: "Margin", right: true, key: (one) => one.margin, cell: (one) => number(one.margin) },
];

function given(found, episode) {
  const rows = Object.keys(found.test).sort((one, other) => order(one) - order(other))
    .map((name) => ({ name, layer: found.test[name].layer, ...answer(found, found.test[name], episode) }));
  return sortable("Each procedure's answer; log-probability of the expected one, margin of the first token, in nats", [
    { head: "Procedure", cell: (one) => [swatch(procedure(one.name).colour), " ", procedure(one.name).title] },
    { head: "Block", right: true, key: (one) => one.layer, cell: (one) => (one.layer == null ? "–" : String(one.layer)) },
    { head: "Answer", key: (one) => one.said, cell: verdict }, ...NUMBERS,
  ], rows);
}

function byLayer(found, episode, layer, move) {
  const swept = Object.keys(found.swept).filter((name) => found.curves[name]);
  const depth = found.curves[swept[0]].length;
  const rows = Array.from({ length: depth }, (_, block) => ({
    block, ...answer(found, found.swept.task_vector, episode, block),
    others: swept.map((name) => answer(found, found.swept[name], episode, block)),
  }));
  const slider = h("input", { type: "range", min: 0, max: depth - 1, value: layer, "aria-label": "Layer", onchange: (event) => move(Number(event.target.value)) });
  const baseline = answer(found, found.swept.baseline, episode);
  return [h("p", {}, "Without a vector: ", verdict(baseline)), h("div", { class: "slider" }, h("output", {}, `block ${layer}`), slider),
    sortable("The answer after each block; numbers are of the task vector, in nats", [
      { head: "Block", right: true, key: (one) => one.block, cell: (one) => (one.block === layer ? h("mark", {}, String(one.block)) : String(one.block)) },
      ...swept.map((name, place) => ({ head: [swatch(procedure(name).colour), " ", procedure(name).title], cell: (one) => verdict(one.others[place]) })),
      ...NUMBERS,
    ], rows)];
}
