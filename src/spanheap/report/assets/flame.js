/* The flame graph: d3-flame-graph draws; what it shows, its colours, and the keyboard are ours. */
report.flame = (function () {
  const NARROWEST_PX = 3;
  const holder = document.getElementById("flame"), details = document.getElementById("details");
  const found = document.getElementById("found");
  const search = document.getElementById("search"), reset = document.getElementById("reset");
  const state = { mode: "live", byRoot: true, ownOnly: false, span: null, root: null, colour: "span" };
  let total = 0, shown = new Map(), focused = null, zoomed = null;

  /* Without transitions: they are a timer for each frame, and a frame is where it belongs at once. */
  Object.assign(d3.selection.prototype, Object.fromEntries(["transition", "duration", "ease", "delay"].map(
    (name) => [name, function () { return this; }])));

  const chart = flamegraph.default()
    .cellHeight(21).inverted(true).minFrameSize(NARROWEST_PX).resetHeightOnZoom(true)
    .getName((d) => report.frameName(d.data, false))
    .label((d) => describe(d))
    .setColorMapper((d) => colour(d))
    .setDetailsHandler(() => {})
    .setSearchMatch((d, term) => Boolean(d.parent) && report.matches(d.data, term))
    .setSearchHandler(() => {})
    .onHover((d) => { details.textContent = describe(d); })
    .onClick((d) => {
      zoomed = d.parent ? d : null;
      reset.disabled = !zoomed;
      focused = d;
      /* What was too narrow below this frame is wide enough now. */
      if (d.data.cut && zoomed) draw(d.data);
      else decorate();
    });

  function describe(d) {
    const frame = d.data, parts = [report.frameName(frame, true), report.size(frame.value)];
    if (total > 0) parts.push(report.percent(frame.value, total));
    if (frame.span !== null) {
      const share = frame.spanValue / frame.value;
      parts.push("for " + report.strings[frame.span] + (share < 0.9995 ? " (" + report.percent(share, 1) + ")" : ""));
    }
    return parts.join("  ·  ");
  }

  function colour(d) {
    if (d.highlight) return "var(--hit)";
    if (!d.parent) return "var(--root)";
    if (state.colour === "origin") return "var(--o" + Math.max(0, d.data.origin) + ")";
    return report.spanColour(d.data.span);
  }

  /* After each drawing: names for screen readers, one frame that Tab reaches, and what matches the search. */
  function decorate() {
    shown = new Map();
    for (const g of holder.querySelectorAll("g.frame")) {
      const d = g.__data__;
      shown.set(d, g);
      g.setAttribute("role", "button");
      g.setAttribute("tabindex", "-1");
      g.setAttribute("aria-label", describe(d));
      g.classList.toggle("hit", Boolean(d.highlight));
      g.classList.toggle("library", d.data.origin > 0);
    }
    if (!shown.has(focused)) focused = zoomed && shown.has(zoomed) ? zoomed : shown.keys().next().value || null;
    if (focused) shown.get(focused).setAttribute("tabindex", "0");
    holder.classList.toggle("searching", search.value.trim() !== "");
  }

  function focusOn(d) {
    if (!d || !shown.has(d)) return;
    if (focused && shown.has(focused)) shown.get(focused).setAttribute("tabindex", "-1");
    focused = d;
    const g = shown.get(d);
    g.setAttribute("tabindex", "0");
    g.focus({ preventScroll: true });
    g.scrollIntoView({ block: "nearest", inline: "nearest" });
    details.textContent = describe(d);
  }

  /* The focus stays where it was, as far as that is still there. */
  function zoom(d) {
    const before = focused;
    chart.zoomTo(d);
    focusOn(shown.has(before) ? before : focused);
  }

  function sibling(d, step) {
    const others = d.parent ? d.parent.children.filter((child) => shown.has(child)).sort((a, b) => a.x0 - b.x0) : [d];
    return others[others.indexOf(d) + step];
  }

  holder.addEventListener("keydown", (event) => {
    if (!focused || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = {
      ArrowDown: () => focusOn((focused.children || []).find((child) => shown.has(child))),
      ArrowUp: () => focusOn(focused.parent),
      ArrowLeft: () => focusOn(sibling(focused, -1)),
      ArrowRight: () => focusOn(sibling(focused, 1)),
      Home: () => focusOn(root()),
      Enter: () => zoom(focused),
      " ": () => zoom(focused),
      Escape: () => zoom(zoomed && zoomed.parent && !event.shiftKey ? zoomed.parent : root()),
    };
    if (moves[event.key]) {
      event.preventDefault();
      moves[event.key]();
    }
  });
  holder.addEventListener("focusin", (event) => {
    const g = event.target.closest("g.frame");
    if (g) {
      focused = g.__data__;
      details.textContent = describe(focused);
    }
  });
  holder.addEventListener("mouseleave", () => { if (root()) details.textContent = describe(zoomed || root()); });

  function root() {
    return holder.__data__;
  }

  function applySearch() {
    const term = search.value.trim().toLowerCase();
    found.textContent = "";
    if (!holder.querySelector("svg")) return;
    if (term) {
      const { frames, sum } = report.find(term, state);
      found.textContent = frames.toLocaleString("en") + (frames === 1 ? " frame" : " frames") + ", " + report.size(sum) + ", " +
        report.percent(sum, total);
      chart.search(term);
    } else chart.clear();
    decorate();
  }

  /* To this frame of an earlier tree, as d3-flame-graph zooms: what is beside it is hidden, what is above it fades. */
  function zoomTree(tree, focus) {
    const path = (function find(frame) {
      if (frame.node === focus.node && frame.root === focus.root && frame !== tree) return [frame];
      for (const child of frame.children) {
        const rest = find(child);
        if (rest) return [frame, ...rest];
      }
      return null;
    })(tree);
    if (!path) return null;
    path.slice(0, -1).forEach((frame, i) => {
      frame.fade = true;
      for (const child of frame.children) if (child !== path[i + 1]) child.hide = true;
    });
    return path.at(-1);
  }

  function draw(focus) {
    details.textContent = "";
    const tree = report.tree({ ...state, focus: focus || null, narrowest: NARROWEST_PX / Math.max(300, holder.clientWidth) });
    total = tree.value;
    tree.name = report.modes.find(([id]) => id === state.mode)[1].toLowerCase() +
      (state.span !== null ? " for " + report.strings[state.span] : "") +
      (state.root !== null ? " in " + report.strings[state.root] : "");
    zoomed = focused = null;
    const target = focus ? zoomTree(tree, focus) : null;
    const had = holder.contains(document.activeElement);
    reset.disabled = !target;
    chart.destroy();
    holder.replaceChildren();
    if (!tree.children.length) {
      holder.append(report.make("p", { class: "empty" }, "Nothing to show: no memory " +
        (state.mode === "growth" ? "grew" : "was " + state.mode) + (state.span !== null || state.root !== null ? " here." : ".")));
      return;
    }
    chart.width(holder.clientWidth);
    d3.select(holder).datum(tree).call(chart);
    const svg = holder.querySelector("svg");
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", "Flame graph of " + tree.name + " bytes, " + report.size(total));
    svg.setAttribute("aria-describedby", "flame-hint");
    if (target) zoomed = focused = root().find((d) => d.data === target);
    details.textContent = describe(zoomed || root());
    if (search.value.trim()) applySearch();
    else decorate();
    if (had) focusOn(focused);
  }

  let width = holder.clientWidth;
  new ResizeObserver(() => {
    if (!holder.querySelector("svg") || Math.abs(holder.clientWidth - width) < 2) return;
    width = holder.clientWidth;
    chart.width(width).update();
    decorate();
  }).observe(holder);

  return {
    state, draw, applySearch, describe,
    set(changes) {
      Object.assign(state, changes);
      draw();
    },
    recolour(by) {
      state.colour = by;
      if (holder.querySelector("svg")) {
        chart.update();
        decorate();
      }
    },
    reset() {
      if (holder.querySelector("svg")) zoom(root());
    },
  };
})();
