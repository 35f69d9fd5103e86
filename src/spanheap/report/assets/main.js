{
  const byId = (id) => document.getElementById(id);
  const { flame, make } = report;

  byId("figures").append(...report.figures.map(([name, value, note]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value, make("small", {}, note)))));

  /* What the widths show: a group of radio buttons, so that arrow keys switch. */
  const growth = report.modes.some(([id]) => id === "growth");
  byId("modes").append(...report.modes.map(([id, title]) => {
    const input = make("input", { type: "radio", name: "mode", value: id, onchange: () => flame.set({ mode: id }) });
    input.checked = id === (growth ? "growth" : "live");
    return make("label", {}, input, make("span", {}, title));
  }));
  byId("modes").hidden = report.modes.length < 2;
  flame.state.mode = growth ? "growth" : "live";

  const names = report.spanNames.slice(0, 12);
  const legend = byId("legend");
  legend.append(...names.map((name) => {
    const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = report.spanColour(name);
    return make("button", { type: "button", "aria-pressed": "false", "data-name": name, onclick: () => only({
      span: flame.state.span === name ? null : name, root: null }) }, swatch, report.strings[name]);
  }));
  legend.append(make("button", { type: "button", class: "all", id: "all", hidden: true, onclick: () => only({ span: null, root: null }) },
    "Show all"));

  function only(what) {
    flame.set(what);
    for (const button of legend.querySelectorAll("[data-name]")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.name) === flame.state.span));
    }
    byId("all").hidden = flame.state.span === null && flame.state.root === null;
  }

  /* From a table: an endpoint or a span name alone, or a line searched for. */
  report.look = function (kind, name) {
    const search = byId("search");
    if (kind === "line") {
      only({ span: null, root: null });
      search.value = name;
    } else {
      search.value = "";
      const number = report.strings.indexOf(name);
      only(kind === "root" ? { root: number, span: null } : { span: number, root: null });
    }
    flame.applySearch();
    byId("flame-section").scrollIntoView({ block: "start" });
    byId("flame-title").focus({ preventScroll: true });
  };

  let waiting = 0;
  byId("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(flame.applySearch, 120);
  });
  byId("search").addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.target.value = "";
    flame.applySearch();
  });
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
      event.preventDefault();
      byId("search").focus();
    }
  });
  byId("group").addEventListener("change", (event) => flame.set({ byRoot: event.target.value === "root" }));
  byId("colour").addEventListener("change", (event) => flame.recolour(event.target.value));
  byId("own").addEventListener("change", (event) => flame.set({ ownOnly: event.target.checked }));
  byId("reset").addEventListener("click", flame.reset);

  report.theme.start(report.timeline.draw);
  report.tablesView.start();
  report.timeline.draw();
  flame.draw();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}
