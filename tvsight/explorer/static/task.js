// One task of one run: its accuracies, and a layer that every part of the view follows.

async function taskView(options, go) {
  const run = Number(options.run ?? 0);
  const name = row(run, options.task) ? options.task : data.runs[run].tasks[0].task;
  const numbers = row(run, name);
  const about = data.tasks[name] ?? {};
  const found = await detail(run, name);
  const depth = numbers.curve.length;
  const followers = [];
  const layer = { at: Math.min(depth - 1, Number(options.layer ?? numbers.layer)) };
  const shown = h("output", { class: "large" });
  const slider = h("input", { type: "range", min: 0, max: depth - 1, value: layer.at, "aria-label": "Layer", oninput: (event) => move(Number(event.target.value)) });
  function move(at) {
    layer.at = at;
    slider.value = at;
    shown.textContent = `block ${at}`;
    followers.forEach((follow) => follow(at));
    go("task", { run, task: name, layer: at }, true);
  }
  const parts = [
    taskHead(run, name, numbers, about, go),
    h("h2", {}, "Test accuracy"), accuracies(found, numbers),
    h("div", { class: "slider" }, h("h2", {}, "Layer"), shown, slider),
    sweep(found, layer.at, move, followers),
    tokens(found, followers), heads(found, followers), transfers(run, name), steering(found), ablated(found),
    h("h2", {}, "Episodes"), episodeTable(run, name, found),
  ];
  shown.textContent = `block ${layer.at}`;
  followers.forEach((follow) => follow(layer.at));
  return parts;
}

function taskHead(run, name, numbers, about, go) {
  const { tasks } = data.runs[run];
  const at = tasks.findIndex((one) => one.task === name);
  const step = (by) => tasks[(at + by + tasks.length) % tasks.length].task;
  const runs = of(data.runs).filter((one) => row(one.place, name));
  return [
    h("h1", {}, word(title(name))),
    h("p", {}, word(about.about ?? "A task of your own."), " ", about.rule ?? "", about.origin ? [" ", `${about.pairs} pairs: `, word(about.origin), "."] : null),
    h("p", {}, `Category: ${numbers.category}. ${numbers.n} test episodes of ${numbers.queries} queries. Chance ${number(numbers.chance)}: always `, word(numbers.chance_answer), "."),
    numbers.identified ? null : h("p", { class: "warning" }, "Layer not identified: no block beats the baseline on dev, so the vector's accuracy says nothing about task vectors."),
    h("div", { class: "filters" },
      choose("Run", runs.map((one) => [one.place, one.label]), run, (value) => go("task", { run: value, task: name })),
      choose("Task", tasks.map((one) => [one.task, title(one.task)]), name, (value) => go("task", { run, task: value })),
      h("a", { href: link("task", { run, task: step(-1) }), class: "button", "data-key": "ArrowLeft" }, "← previous"),
      h("a", { href: link("task", { run, task: step(1) }), class: "button", "data-key": "ArrowRight" }, "next →")),
  ];
}

function accuracies(found, numbers) {
  const names = Object.keys(found.test).sort((one, other) => order(one) - order(other));
  const values = names.map((name) => {
    const [value, low, high] = found.test[name].accuracy;
    return { procedure: procedure(name).title, accuracy: value, low, high };
  });
  const y = { field: "procedure", type: "nominal", title: null, sort: null, axis: { labelLimit: 220 } };
  const color = { ...procedureColour(names), legend: null };
  const label = `Accuracies: ${values.map((one) => `${one.procedure} ${number(one.accuracy)}`).join(", ")}`;
  return chart(label, {
    height: { step: 20 },
    data: { values },
    layer: [
      { data: { values: [{ chance: numbers.chance }] }, mark: { type: "rule", strokeDash: [3, 3], color: colourOf("--quiet") }, encoding: { x: { field: "chance", type: "quantitative" } } },
      { mark: { type: "rule", strokeWidth: 2 }, encoding: { y, x: { field: "low", type: "quantitative" }, x2: { field: "high" }, color } },
      { mark: { type: "point", filled: true, size: 70, opacity: 1, tooltip: true }, encoding: { y, x: accuracyAxis("accuracy", "Accuracy, 95 % interval; dashed: chance"), color, tooltip: [{ field: "procedure" }, { field: "accuracy", format: ".2f" }, { field: "low", format: ".2f" }, { field: "high", format: ".2f" }] } },
    ],
  });
}

const order = (name) => Object.keys(data.procedures).indexOf(name) >>> 0;

function sweep(found, at, move, followers) {
  const names = Object.keys(found.curves).sort((one, other) => order(one) - order(other));
  const values = names.flatMap((name) => found.curves[name].map((accuracy, layer) => ({ procedure: procedure(name).title, layer, accuracy })));
  const y = accuracyAxis("accuracy", "Dev accuracy");
  const { place, move: rule } = layerChart("Dev accuracy after each block, by procedure", values, procedureColour(names), y, at, move);
  const now = h("ul", { class: "chips" });
  followers.push(rule, (layer) => now.replaceChildren(...names.map((name) =>
    h("li", {}, swatch(procedure(name).colour), ` ${procedure(name).title} ${number(found.curves[name][layer])}`))));
  return h("section", { "aria-label": "Accuracy over layers" }, place, now);
}

function episodeTable(run, task, found) {
  const names = ["baseline", "icl", "task_vector", "averaged_vector"].filter((name) => found.test[name]);
  const rows = episodes(found, "test");
  return sortable("Test episodes, and the first token of each answer", [
    { head: "Episode", right: true, key: (one) => one.number, cell: (one) => h("a", { href: link("episode", { run, task, split: "test", episode: one.number }) }, String(one.number)) },
    { head: "Query", key: (one) => one.query, cell: (one) => word(one.query) },
    { head: "Expected", key: (one) => one.expected, cell: (one) => word(one.expected) },
    ...names.map((name) => ({
      head: procedure(name).title,
      key: (one) => answer(found, found.test[name], one).said,
      cell: (one) => verdict(answer(found, found.test[name], one)),
    })),
  ], rows);
}

function verdict(given) {
  const [mark, about] = given.right ? ["✓", "right"] : given.inSet ? ["≈", "wrong, an answer of the task"] : ["✗", "wrong"];
  return h("span", { class: given.right ? "right-answer" : "wrong-answer" }, h("span", { role: "img", "aria-label": about, title: about }, mark), " ", word(given.said));
}
