// What further experiments measured of a task: tokens, heads, transfers, steering.

function tokens(found, followers) {
  if (!found.tokens) return null;
  const list = h("ol", { class: "tokens" });
  const ranks = h("ul", { class: "chips" });
  followers.push((layer) => {
    list.replaceChildren(...found.tokens.filter((one) => one.layer === layer).map((one) =>
      h("li", { class: one.answer ? "is-answer" : one.describes ? "describes" : "" }, word(one.token), " ", h("span", { class: "quiet" }, share(one.probability)))));
    ranks.replaceChildren(...found.ranks.filter((one) => one.layer === layer).map((one) =>
      h("li", {}, one.kind === "answers" ? "answers" : word(one.word), ` rank ${number(one.rank, 0)}`)));
  });
  return h("section", {}, h("h2", {}, "Token projection of the mean vector"),
    h("p", { class: "quiet" }, "The most probable tokens after the block. Framed: begins an answer; underlined: describes the task. Ranks are of the median answer, and of words that describe the task."),
    list, ranks);
}

function heads(found, followers) {
  if (!found.effects) return null;
  const largest = Math.max(...found.effects.map((one) => Math.abs(one.effect)));
  const spec = {
    params: [{ name: "layer", value: 0 }],
    data: { values: found.effects }, height: { step: 14 },
    encoding: { x: { field: "layer", type: "ordinal", title: "Block", axis: { labelAngle: 0 } }, y: { field: "head", type: "ordinal", title: "Head" } },
    layer: [
      { mark: { type: "rect", tooltip: true }, encoding: { color: { field: "effect", type: "quantitative", title: "Effect", scale: { scheme: "blueorange", domain: [-largest, largest] } } } },
      { transform: [{ filter: "datum.layer === layer" }], mark: { type: "rect", fill: null, stroke: colourOf("--ink"), strokeWidth: 1 } },
    ],
  };
  const place = chart("Causal effect of every attention head, by block", spec, (view) => {
    signal = (at) => view.signal("layer", at).runAsync();
    signal(last);
  });
  let last = 0;
  let signal = () => {};
  followers.push((layer) => signal((last = layer)));
  return h("section", {}, h("h2", {}, "Attention heads"), h("p", { class: "quiet" }, "Change of the answer's probability in prompts with shuffled labels when the head is replaced by its mean."), place);
}

function transfers(run, task) {
  const { transfer } = data.runs[run];
  if (!transfer[task]) return null;
  const values = Object.entries(transfer[task]).map(([source, ends]) => ({
    task: source, given: ends, taken: transfer[source]?.[task] ?? [null, null, null],
  }));
  const bar = ([value]) => svg("svg", { width: 80, height: 10, "aria-hidden": "true" }, svg("rect", { width: 80 * (value ?? 0), height: 10, fill: procedure("any_other_task").colour }));
  return h("section", {}, h("h2", {}, "Transfers"), sortable("Mean vectors of other tasks applied here, and this task's applied there", [
    { head: "Task", key: (one) => title(one.task), cell: (one) => h("a", { href: link("task", { run, task: one.task }) }, word(title(one.task))) },
    { head: "Its vector here", right: true, key: (one) => one.given[0], cell: (one) => [bar(one.given), " ", interval(one.given)] },
    { head: "This vector there", right: true, key: (one) => one.taken[0], cell: (one) => [bar(one.taken), " ", interval(one.taken)] },
  ], values, { column: 1, down: true }));
}

function steering(found) {
  if (!found.steered.length) return null;
  const values = found.steered.filter((one) => one.alpha != null && one.procedure === "vector")
    .map((one) => ({ ...one, context: one.context.replaceAll("_", " "), procedure: procedure(one.method).title }));
  const names = [...new Set(found.steered.map((one) => one.method).filter(Boolean))];
  return h("section", {}, h("h2", {}, "Steering"), chart("Accuracy by factor of an added vector, in each context", {
    data: { values }, facet: { field: "context", title: null, header: { labelColor: colourOf("--ink") } }, columns: 3, width: undefined, autosize: undefined,
    spec: { width: 170, height: 120, mark: { type: "line", point: true, tooltip: true }, encoding: { x: { field: "alpha", type: "quantitative", title: "Factor", scale: { type: "log" }, axis: { values: [0.25, 0.5, 1, 2, 4] } }, y: accuracyAxis("accuracy", "Accuracy"), color: procedureColour(names) } },
  }));
}

function ablated(found) {
  if (!found.ablated.length) return null;
  return h("section", {}, h("h2", {}, "ICL without some heads"), sortable("Test accuracy of ICL with some attention heads replaced; random heads: mean over draws", [
    { head: "Heads", key: (one) => one.kind ?? "", cell: (one) => (one.kind ? one.kind.replaceAll("_", " ") : "none is replaced") },
    { head: "By", key: (one) => one.replaced_by ?? "", cell: (one) => (one.replaced_by ?? "").replaceAll("_", " ") },
    { head: "Replaced", right: true, key: (one) => one.heads ?? 0, cell: (one) => String(one.heads ?? 0) },
    { head: "Accuracy", right: true, key: (one) => one.accuracy, cell: (one) => number(one.accuracy) },
  ], found.ablated));
}
