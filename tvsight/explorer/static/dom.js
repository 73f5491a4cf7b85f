// Elements, and numbers as texts. Every word becomes a text node: nothing is parsed as markup.

const find = (selector, root = document) => root.querySelector(selector);

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null));
  return element;
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A word from a task or a model. It keeps its own direction, and its spaces are seen. */
function word(text, className = "word") {
  const seen = text.replace(/\n/g, "↵").replace(/\t/g, "⇥").replace(/^ | $/g, "␣");
  return h("bdi", { class: className }, seen || "∅");
}

const number = (value, places = 2) =>
  value == null ? "–" : value.toFixed(places).replace(/^-(0\.?0*)$/, "$1");

const interval = ([value, low, high]) =>
  value == null || low == null ? number(value) : `${number(value)} [${number(low)}, ${number(high)}]`;

const share = (value) => (value >= 0.001 ? number(value, 3) : value == null ? "–" : "<0.001");

/** A small mark of a procedure's colour. */
function swatch(colour) {
  return svg("svg", { width: 12, height: 12, "aria-hidden": "true", class: "swatch" },
    svg("rect", { width: 12, height: 12, rx: 3, fill: colour }));
}

function choose(label, options, value, changed) {
  const select = h("select", { onchange: (event) => changed(event.target.value) },
    options.map(([key, text]) => h("option", { value: key, selected: String(key) === String(value) }, text)));
  return h("label", { class: "field" }, h("span", {}, label), select);
}

/** A table whose columns are sorted by a click on their heads.
 *  columns: {head, cell(row), key(row), right}; without a key a column is not sorted. */
function sortable(caption, columns, rows, sorted = { column: -1, down: false }) {
  const body = h("tbody");
  const heads = columns.map((column, place) => {
    const inside = column.key
      ? h("button", { type: "button", class: "sort", onclick: () => sort(place) }, column.head)
      : column.head;
    return h("th", { scope: "col", class: column.right ? "right" : "" }, inside);
  });
  function sort(place, down) {
    sorted.down = down ?? (sorted.column === place ? !sorted.down : Boolean(columns[place].right));
    sorted.column = place;
    fill();
  }
  function fill() {
    const { key } = columns[sorted.column] ?? {};
    const ordered = [...rows];
    if (key) {
      ordered.sort((one, other) => {
        const [a, b] = [key(one), key(other)];
        if (a == null || b == null) return (a == null) - (b == null);
        return (a < b ? -1 : a > b ? 1 : 0) * (sorted.down ? -1 : 1);
      });
    }
    heads.forEach((head, place) => {
      if (place === sorted.column) head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    body.replaceChildren(...ordered.map((row) => h("tr", {}, columns.map((column, place) =>
      h(place ? "td" : "th", { class: column.right ? "right" : "", scope: place ? null : "row" },
        column.cell(row))))));
  }
  fill();
  const table = h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, heads)), body);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, table);
}
