// Two runs or procedures side by side, task by task.

async function compareView(options, go) {
  const runs = of(data.runs);
  // Another run may lack the method that was chosen of this one.
  const chosen = (run, name, usual) => ({ run, name: runs[run].procedures.includes(name) ? name : usual });
  const sides = { a: chosen(Number(options.a ?? 0), options.ap, "icl"), b: chosen(Number(options.b ?? 0), options.bp, "task_vector") };
  const here = (changed) => ({ a: sides.a.run, ap: sides.a.name, b: sides.b.run, bp: sides.b.name, ...changed });
  const side = (key) => h("fieldset", {}, h("legend", {}, key === "a" ? "First" : "Second"),
    choose("Run", runs.map((one) => [one.place, one.label]), sides[key].run, (value) => go("compare", here({ [key]: value }))),
    choose("Procedure", runs[sides[key].run].procedures.map((name) => [name, procedure(name).title]), sides[key].name, (value) => go("compare", here({ [`${key}p`]: value }))));
  const rows = await pairs(sides.a, sides.b);
  return [
    h("h1", {}, "Compare"),
    h("div", { class: "filters" }, side("a"), side("b")),
    await meanLead(sides.a, sides.b, rows.map((one) => one.lead)),
    rows.length ? [h("div", { class: "square" }, scatter(rows, sides, go)), pairTable(rows)] : h("p", {}, "They have no task in common."),
  ];
}

const named = ({ run, name }) => [word(data.runs[run].label), `, ${procedure(name).title}`];

async function meanLead(a, b, leads) {
  if (a.run === b.run && a.name === b.name) return h("p", {}, "Both sides are the same.");
  if (!leads.length) return null;
  const ends = meanWithInterval(leads, await unpack(`draws-${leads.length}`));
  return h("p", { class: "lead" }, named(a), " minus ", named(b), ": ", h("strong", {}, interval(ends)), `, mean of ${leads.length} tasks, paired, with a bootstrap interval over tasks.`);
}

/** Tasks of both sides with the same pairs. Where the episodes are the same, each has a test that permutes queries. */
async function pairs(a, b) {
  const has = ({ run, name }, task) => row(run, task)?.accuracy[name][0] != null;
  const common = data.runs[a.run].tasks.map((one) => one.task).filter((task) => has(a, task) && has(b, task) && row(a.run, task).data === row(b.run, task).data);
  const rows = await Promise.all(common.map(async (task) => {
    const [first, second] = await Promise.all([detail(a.run, task), detail(b.run, task)]);
    const queries = [first, second].map((found) => episodes(found, "test").map((one) => one.query));
    const [one, other] = [first.test[a.name].right, second.test[b.name].right];
    const paired = queries[0].join("\n") === queries[1].join("\n");
    const [x, y] = [row(a.run, task).accuracy[a.name], row(b.run, task).accuracy[b.name]];
    return {
      task, title: title(task), category: row(a.run, task).category, x, y, first: x[0], second: y[0], lead: x[0] - y[0],
      better: paired ? betterThan(one, other, queries[0]) : null, worse: paired ? betterThan(other, one, queries[0]) : null,
    };
  }));
  const [better, worse] = [holm(rows.map((one) => one.better)), holm(rows.map((one) => one.worse))];
  return rows.map((one, at) => ({ ...one, better: better[at], worse: worse[at] }));
}

function scatter(rows, sides, go) {
  const categories = Object.keys(data.categories);
  const side = ({ run, name }) => [data.runs[run].label, procedure(name).title];
  return chart(`Accuracy of each task on both sides; ${rows.filter((one) => one.lead > 0).length} of ${rows.length} tasks are higher on the first`, {
    height: 420,
    layer: [
      { data: { values: [{ at: 0 }, { at: 1 }] }, mark: { type: "line", color: colourOf("--line"), strokeDash: [4, 3] }, encoding: { x: { field: "at", type: "quantitative" }, y: { field: "at", type: "quantitative" } } },
      { data: { values: rows }, mark: { type: "point", filled: true, size: 90, opacity: 0.9, cursor: "pointer" }, encoding: { x: accuracyAxis("first", side(sides.a)), y: accuracyAxis("second", side(sides.b)), color: { field: "category", type: "nominal", title: null, scale: { domain: categories, range: Object.values(data.categories).map(toned) }, legend: { orient: "top", columns: 3 } }, tooltip: [{ field: "title", title: "task" }, { field: "first", format: ".2f" }, { field: "second", format: ".2f" }] } },
      { data: { values: labelled(rows) }, mark: { type: "text", align: { expr: "datum.first > 0.75 ? 'right' : 'left'" }, dx: { expr: "datum.first > 0.75 ? -7 : 7" }, fontSize: 11 }, encoding: { x: { field: "first", type: "quantitative" }, y: { field: "second", type: "quantitative" }, text: { field: "title" } } },
    ],
  }, (view) => view.addEventListener("click", (_, item) => item?.datum?.task && go("task", { run: sides.a.run, task: item.datum.task })));
}

/** The tasks whose names have room beside their points; the others show theirs under the pointer. */
function labelled(rows) {
  const taken = [];
  return rows.filter(({ first, second, title: name }) => {
    const wide = 0.02 + name.length * 0.0145;
    const left = first > 0.75 ? first - wide : first;
    const box = [left, left + wide, second - 0.014, second + 0.014];
    const free = taken.every(([from, to, low, high]) => box[1] < from || box[0] > to || box[3] < low || box[2] > high)
      && rows.every((one) => one.title === name || one.first < box[0] || one.first > box[1] || Math.abs(one.second - second) > 0.02);
    if (free) taken.push(box);
    return free;
  });
}

function pairTable(rows) {
  const tested = rows.some((one) => one.better != null);
  const told = tested ? "p: one-sided exact tests that permute queries, with Holm's correction for the tasks" : "The episodes differ, so that single tasks have no paired test";
  const p = (name, head) => ({ head, right: true, key: (one) => one[name], cell: (one) => share(one[name]) });
  return sortable(`Task by task. ${told}`, [
    { head: "Task", key: (one) => one.title, cell: (one) => word(one.title) },
    { head: "First", right: true, key: (one) => one.first, cell: (one) => interval(one.x) },
    { head: "Second", right: true, key: (one) => one.second, cell: (one) => interval(one.y) },
    { head: "Difference", right: true, key: (one) => one.lead, cell: (one) => number(one.lead) },
    ...(tested ? [p("better", "p first better"), p("worse", "p second better")] : []),
  ], rows);
}
