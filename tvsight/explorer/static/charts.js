// Charts by Vega-Lite. Its interpreter runs expressions without eval, so the page can forbid that.

const colourOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function look() {
  const [ink, line] = [colourOf("--ink"), colourOf("--line")];
  const axis = { labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line, titleFontWeight: "normal", labelFontSize: 12, titleFontSize: 12, tickCount: 6 };
  return { background: "transparent", font: "system-ui, sans-serif", view: { stroke: line }, axis,
    legend: { labelColor: ink, titleColor: ink, symbolSize: 90, labelFontSize: 12, titleFontSize: 12 }, text: { color: ink } };
}

/** Draw a chart into a new element. label says in words what it shows. */
function chart(label, spec, drawn = () => {}) {
  const place = h("div", { class: "chart", role: "img", "aria-label": label });
  const whole = { width: "container", autosize: { type: "fit-x", contains: "padding" }, ...spec, config: look() };
  const options = { actions: false, renderer: "svg", ast: true, logLevel: 1, defaultStyle: false, tooltip: { disableDefaultStyle: true } };
  requestAnimationFrame(() => {
    if (!window.vegaEmbed || !place.isConnected) return;
    window.vegaEmbed(place, whole, options).then(({ view }) => {
      // The label stands for the picture; its parts would be read one by one.
      place.querySelectorAll("[role], [aria-roledescription]").forEach((part) => {
        part.removeAttribute("role");
        part.removeAttribute("aria-roledescription");
        part.removeAttribute("aria-label");
      });
      Object.entries({ role: "img", "aria-label": label, tabindex: "0" }).forEach((one) => place.setAttribute(...one));
      place.removeAttribute("aria-roledescription");
      drawn(view);
    });
  });
  return place;
}

const accuracyAxis = (field, name) => ({ field, type: "quantitative", title: name, scale: { domain: [0, 1] } });

function procedureColour(names) {
  return {
    field: "procedure", type: "nominal", title: null,
    scale: { domain: names.map((name) => procedure(name).title), range: names.map((name) => procedure(name).colour) },
  };
}

/** Lines over layers with a rule at one of them, which `moved` is told of when the chart is clicked. */
function layerChart(label, values, colour, y, layer, moved) {
  const signals = [];
  const drawn = (view) => {
    signals.push((at) => view.signal("layer", at).runAsync());
    view.addEventListener("click", (event) => {
      const left = find("svg", place).getBoundingClientRect().left + view.origin()[0];
      const at = Math.round(view.scale("x").invert(event.clientX - left));
      if (at >= 0 && at <= last) moved(at);
    });
  };
  const last = Math.max(...values.map((value) => value.layer));
  const x = { field: "layer", type: "quantitative", title: "After block", scale: { domain: [0, last], nice: false }, axis: { tickMinStep: 1, format: "d", tickCount: 20 } };
  const place = chart(label, {
    height: 260,
    params: [{ name: "layer", value: layer }],
    data: { values },
    layer: [
      { mark: { type: "line", point: { size: 22 }, tooltip: true }, encoding: { x, y, color: { ...colour, legend: null } } },
      { data: { values: [{}] }, mark: { type: "rule", strokeDash: [4, 3], color: colourOf("--ink") }, encoding: { x: { datum: { expr: "layer" }, type: "quantitative" } } },
    ],
  }, drawn);
  return { place, move: (at) => signals.forEach((signal) => signal(at)) };
}

/** A line of a task over layers, small enough for a row of a table. */
function sparkline(curve, chosen) {
  const [wide, high] = [90, 22];
  const x = (layer) => 2 + (layer * (wide - 4)) / Math.max(1, curve.length - 1);
  const y = (value) => high - 2 - value * (high - 4);
  const points = curve.map((value, layer) => `${x(layer).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  return svg("svg", { width: wide, height: high, role: "img", "aria-label": `Dev accuracy over layers, best ${number(Math.max(...curve))} after block ${chosen}` },
    svg("polyline", { points, fill: "none", stroke: procedure("task_vector").colour, "stroke-width": 1.5 }),
    svg("circle", { cx: x(chosen), cy: y(curve[chosen] ?? 0), r: 2.5, fill: "currentColor" }));
}
