// The first view: runs with their means, every task in a row, and what is missing.

const FILTERS = ["model", "template", "shots", "seed"];
const optionOf = (run, name) => (name === "model" ? run.model : run.options[name]);

function overview(options, go) {
  const runs = of(data.runs);
  const [first] = runs;
  const chosen = Object.fromEntries(FILTERS.map((name) => [name, options[name] ?? optionOf(first, name)]));
  Object.assign(chosen, { category: options.category ?? "", identified: options.identified ?? "", text: options.text ?? "" });
  const results = h("div");
  const said = h("p", { role: "status", class: "quiet" });

  function fill() {
    const words = chosen.text.toLowerCase();
    const rows = runs
      .filter((run) => FILTERS.every((name) => !chosen[name] || optionOf(run, name) === chosen[name]))
      .flatMap((run) => run.tasks.map((task) => ({ ...task, run })))
      .filter((task) => !chosen.category || task.category === chosen.category)
      .filter((task) => !chosen.identified || String(task.identified) === chosen.identified)
      .filter((task) => !words || `${title(task.task)} ${task.task}`.toLowerCase().includes(words));
    said.textContent = `${rows.length} of ${runs.reduce((sum, run) => sum + run.tasks.length, 0)} tasks of all runs`;
    results.replaceChildren(taskTable(rows));
  }
  const change = (name) => (value) => {
    chosen[name] = value;
    go("overview", { ...chosen }, true);
    fill();
  };
  const values = (name) => [["", "all"], ...[...new Set(runs.map((run) => optionOf(run, name)))].map((value) => [value, value])];
  const search = h("input", { type: "search", value: chosen.text, oninput: (event) => change("text")(event.target.value) });
  fill();
  return [
    h("h1", {}, "Results"),
    h("section", { class: "cards", "aria-label": "Headline" }, headline(first)),
    h("h2", {}, "Tasks"),
    h("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
      h("label", { class: "field" }, h("span", {}, "Find"), search),
      choose("Category", [["", "all"], ...[...new Set(Object.values(data.tasks).map((task) => task.category))].map((name) => [name, name])], chosen.category, change("category")),
      FILTERS.map((name) => choose(name[0].toUpperCase() + name.slice(1), values(name), chosen[name], change(name))),
      choose("Layer", [["", "all"], ["true", "identified"], ["false", "not identified"]], chosen.identified, change("identified"))),
    said, results,
    h("h2", {}, "Runs"), runTable(runs),
    h("h2", {}, "Measured, and missing"), coverage(), problems(),
  ];
}

function headline(run) {
  const card = (name, value, about) => h("div", { class: "card" }, h("div", { class: "quiet" }, name), h("div", { class: "large" }, value), h("div", { class: "quiet" }, about));
  const { means, counted } = run;
  return [
    card("Recovered gap", interval(means.recovered_gap), ["of ICL's gain, ", word(run.label)]),
    ...data.central.filter((name) => means[name]).map((name) =>
      card([swatch(procedure(name).colour), " ", procedure(name).title], interval(means[name]), `mean of ${counted.tasks} tasks`)),
    card("Layer identified", `${counted.identified} of ${counted.tasks}`, "tasks, with Holm's correction"),
  ];
}

function taskTable(rows) {
  const accuracy = (name) => ({
    head: [swatch(procedure(name).colour), " ", procedure(name).title], right: true,
    cell: (one) => interval(one.accuracy[name]), key: (one) => one.accuracy[name][0],
  });
  const several = new Set(rows.map((one) => one.run.place)).size > 1;
  return sortable("Test accuracy of every task, with 95 % intervals", [
    { head: "Task", key: (one) => title(one.task), cell: (one) => h("a", { href: link("task", { run: one.run.place, task: one.task }) }, word(title(one.task))) },
    ...(several ? [{ head: "Run", key: (one) => one.run.label, cell: (one) => word(one.run.label) }] : []),
    { head: "Category", key: (one) => one.category, cell: (one) => one.category },
    { head: "Chance", right: true, key: (one) => one.chance, cell: (one) => number(one.chance) },
    ...data.central.map(accuracy),
    { head: "Block", right: true, key: (one) => one.layer, cell: (one) => String(one.layer) },
    { head: "Layers", cell: (one) => sparkline(one.curve, one.layer) },
    { head: "Layer", key: (one) => String(one.identified), cell: (one) => (one.identified ? "identified" : "not identified") },
  ], rows);
}

function runTable(runs) {
  return sortable("Means over tasks of every run, with bootstrap intervals over tasks", [
    { head: "Run", key: (run) => run.label, cell: (run) => word(run.label) },
    { head: "Tasks", right: true, key: (run) => run.counted.tasks, cell: (run) => String(run.counted.tasks) },
    { head: "Recovered gap", right: true, key: (run) => run.means.recovered_gap[0], cell: (run) => interval(run.means.recovered_gap) },
    ...data.central.map((name) => ({ head: procedure(name).title, right: true, key: (run) => run.means[name][0], cell: (run) => interval(run.means[name]) })),
    { head: "Identified", right: true, key: (run) => run.counted.identified, cell: (run) => `${run.counted.identified} of ${run.counted.tasks}` },
    { head: "Weights", cell: (run) => h("code", {}, run.options.weights) },
  ], runs);
}

function coverage() {
  const experiments = [...new Set(data.counts.map((one) => one.experiment))];
  const models = [...new Set(data.counts.map((one) => one.model))].map((model) => ({ model }));
  const count = (model, experiment) => data.counts.find((one) => one.model === model && one.experiment === experiment)?.results ?? 0;
  return sortable("Number of stored results; none is an analysis that was not made", [
    { head: "Model", cell: (one) => word(one.model) },
    ...experiments.map((name) => ({ head: name.replaceAll("_", " "), right: true, cell: (one) => String(count(one.model, name) || "none") })),
  ], models);
}

function problems() {
  if (!data.problems.length) return h("p", {}, "Every result that was read is whole.");
  return h("ul", {}, data.problems.map((one) => h("li", {}, h("strong", {}, one.kind), ": ", word(one.reason))));
}
