/* The tables, one at a time, in tabs. What a row is about can be looked at in the graph. */
report.tablesView = (function () {
  const tabs = document.getElementById("tabs"), panel = document.getElementById("panel");
  const FIRST_ROWS = 15;
  const COLUMNS = [["live", 1, "Live"], ["growth", 2, "Growth"], ["allocated", 3, "Allocated"]];
  let current = 0;

  function select(number, takeFocus) {
    current = number;
    [...tabs.children].forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === number));
      tab.tabIndex = i === number ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", tabs.children[number].id);
    if (takeFocus) tabs.children[number].focus();
    const table = report.tables[number];
    show(table, table.kind === "usage" ? (report.modes.some(([id]) => id === "growth") ? 2 : 1) : -1, -1, false);
  }

  function show(table, by, direction, whole) {
    const rows = by < 0 ? table.rows : [...table.rows].sort((a, b) => direction * (a[by] < b[by] ? -1 : a[by] > b[by] ? 1 : 0));
    const shown = whole ? rows : rows.slice(0, FIRST_ROWS);
    const columns = table.kind === "usage" ? usage(table) : text(table);
    const head = report.make("tr", {}, ...columns.map(({ title, key, number, right }) => {
      if (key === undefined) return report.make("th", { scope: "col", class: right ? "n" : null }, title);
      const now = by === key;
      return report.make("th", { scope: "col", class: number ? "n" : null, "aria-sort": now ? (direction < 0 ? "descending" : "ascending") : null },
        report.make("button", { type: "button", onclick: () => {
          show(table, key, now ? -direction : number ? -1 : 1, whole);
          panel.querySelectorAll("thead button")[[...columns].filter((c) => c.key !== undefined).findIndex((c) => c.key === key)].focus();
        } }, title));
    }));
    const body = shown.map((row) => report.make("tr", {}, ...columns.map((column) => column.cell(row))));
    panel.replaceChildren(report.make("div", { class: "scroll" }, report.make("table", {},
      report.make("caption", { class: "sr" }, table.title), report.make("thead", {}, head), report.make("tbody", {}, ...body))));
    const foot = [];
    if (rows.length > shown.length) {
      foot.push(report.make("button", { type: "button", onclick: () => show(table, by, direction, true) }, "Show all " + rows.length));
    }
    if (table.left_out) foot.push(" " + table.left_out.toLocaleString("en") + " smaller ones are left out.");
    if (foot.length) panel.append(report.make("p", { class: "foot" }, ...foot));
  }

  function usage(table) {
    const columns = [{ title: table.head[0], key: 0, cell: (row) => name(table, row) }];
    for (const [id, at, title] of COLUMNS) {
      const mode = report.modes.find(([known]) => known === id);
      if (!mode || (id === "allocated" && /^(trace|thread|label)/.test(table.id))) continue;
      const most = Math.max(1, ...table.rows.map((row) => Math.abs(row[at])));
      columns.push({ title, key: at, number: true, cell: (row) => bar(row[at], most, id === "growth") });
      if (id === "live") columns.push({ title: "Share", right: true, cell: (row) => report.make("td", { class: "n soft" }, report.percent(row[1], mode[2])) });
    }
    columns.push({ title: "Objects", key: 4, number: true, cell: (row) => number(row[4]) });
    columns.push({ title: "Samples", key: 5, number: true, cell: (row) => report.make("td", { class: "n" },
      row[5].toLocaleString("en"), report.make("span", { class: "soft" }, row[6] >= 0 ? " ± " + row[6].toFixed(row[6] < 10 ? 1 : 0) + " %" : "")) });
    if (table.head[1]) columns.push({ title: table.head[1], cell: (row) => report.make("td", { class: "soft" }, report.make("code", {}, row[7])) });
    return columns;
  }

  function text(table) {
    return table.head.map((title, i) => ({ title, cell: (row) => report.make("td", {}, i ? row[i] : report.make("code", {}, row[i])) }));
  }

  function number(value) {
    return report.make("td", { class: "n" }, value.toLocaleString("en"));
  }

  function bar(value, most, signed) {
    const cell = report.make("td", { class: "n bar" + (value < 0 ? " less" : "") });
    const fill = report.make("span", { class: "fill", "aria-hidden": "true" });
    fill.style.width = (100 * Math.abs(value) / most).toFixed(1) + "%";
    cell.append(fill, report.make("span", { class: "value" }, (signed && value > 0 ? "+" : "") + report.size(value)));
    return cell;
  }

  function name(table, row) {
    const code = report.make("code", {}, row[0]);
    if (!["root", "span", "line"].includes(table.id)) return report.make("td", {}, code);
    return report.make("td", {}, report.make("button", {
      type: "button", class: "look", title: "Show in the graph", onclick: () => report.look(table.id, row[0]),
    }, code));
  }

  function start() {
    if (!report.tables.length) {
      panel.append("There is nothing to count.");
      return;
    }
    tabs.append(...report.tables.map((table, i) => report.make("button", {
      type: "button", role: "tab", id: "tab-" + i, "aria-controls": "panel", onclick: () => select(i, false),
    }, table.title, report.make("span", { class: "count" }, String(table.rows.length + table.left_out)))));
    tabs.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: current + 1, ArrowLeft: current - 1, Home: 0, End: report.tables.length - 1 };
      if (event.key in steps) {
        event.preventDefault();
        select((steps[event.key] + report.tables.length) % report.tables.length, true);
      }
    });
    select(0, false);
  }
  return { start };
})();
