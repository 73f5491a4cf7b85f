// The figures as they were drawn, with their captions and numbers.

function figuresView(options, go) {
  const list = h("div", { class: "gallery" });
  const shown = new IntersectionObserver((seen) => seen.filter((one) => one.isIntersecting).forEach(({ target }) => {
    target.src ||= picture(target.dataset.number);
    shown.unobserve(target);
  }), { rootMargin: "400px" });
  function fill(text) {
    const wanted = text.toLowerCase();
    const kept = of(data.figures).filter((one) => `${one.name} ${one.title} ${one.caption}`.toLowerCase().includes(wanted));
    list.replaceChildren(...kept.map((one) => figure(one, shown)));
    if (!kept.length) list.replaceChildren(h("p", {}, "No figure was drawn, or none is like that."));
  }
  const text = options.text ?? "";
  fill(text);
  return [
    h("h1", {}, "Figures"),
    h("label", { class: "field" }, h("span", {}, "Find"), h("input", { type: "search", value: text, oninput: (event) => {
      go("figures", { text: event.target.value }, true);
      fill(event.target.value);
    } })),
    list,
  ];
}

const picture = (place) => `data:image/webp;base64,${find(`#picture-${place}`).textContent}`;

function figure(one, shown) {
  const image = h("img", { alt: one.title, width: one.width, height: one.height, "data-number": one.place });
  shown.observe(image);
  const files = Object.entries(one.links).map(([kind, way]) => h("a", { href: way, class: "button", target: "_blank", rel: "noopener" }, kind.toUpperCase()));
  const small = h("button", { type: "button", onclick: () => asPng(one) }, "PNG of this size");
  const numbers = one.table ? h("button", { type: "button", onclick: async () => download(`${one.table}.csv`, "text/csv", [await unpack(data.tables[one.table])]) }, "Data as CSV") : null;
  return h("figure", { id: `figure-${one.place}` }, image,
    h("figcaption", {}, h("strong", {}, one.title), h("p", {}, one.caption), h("div", { class: "filters" }, files, small, numbers)));
}

function asPng(one) {
  const image = new Image();
  image.onload = () => {
    const canvas = h("canvas", { width: one.width, height: one.height });
    canvas.getContext("2d").drawImage(image, 0, 0);
    canvas.toBlob((blob) => download(`${one.name}.png`, "image/png", [blob]));
  };
  image.src = picture(one.place);
}
