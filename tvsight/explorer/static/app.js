// Which view is shown: the address after # says it, so that each can be kept and sent.

const VIEWS = {
  overview: ["Overview", overview],
  task: ["Task", taskView],
  episode: ["Episode", episodeView],
  compare: ["Compare", compareView],
  figures: ["Figures", figuresView],
};

/** Show a view. Where only its address changes, it has shown the change itself. */
function go(view, options, addressOnly = false) {
  const address = link(view, options);
  if (addressOnly) history.replaceState(null, "", address);
  else location.hash = address;
}

let turn = 0;

async function show() {
  const { view = "overview", ...options } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const known = VIEWS[view] ? view : "overview";
  const mine = (turn += 1);
  const [name, make] = VIEWS[known];
  let parts;
  try {
    if (options.run != null && !data.runs[options.run]) throw new Error("There is no such run.");
    if (known === "episode" && !row(options.run ?? 0, options.task)) options.task = data.runs[options.run ?? 0].tasks[0].task;
    parts = await make(options, go);
  } catch (error) {
    parts = [h("h1", {}, "Not found"), h("p", { role: "alert" }, `${error.message} The overview lists everything.`)];
  }
  if (mine !== turn) return; // another view was asked for meanwhile
  find("#main").replaceChildren(...[parts].flat(Infinity).filter((part) => part != null));
  document.title = `${name}: task vectors`;
  find("#views").replaceChildren(...Object.entries(VIEWS).map(([key, [text]]) =>
    h("a", { href: link(key), "aria-current": key === known ? "page" : null }, text)));
}

addEventListener("hashchange", () => {
  show().then(() => find("#main").focus({ preventScroll: true }));
  scrollTo(0, 0);
});
addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  find(`[data-key="${event.key}"]`)?.click();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
if (document.readyState === "loading") {
  // What follows this script is only needed for charts and single tasks.
  const needsAll = location.hash && !location.hash.includes("view=overview");
  if (needsAll) addEventListener("DOMContentLoaded", show);
  else show();
}
