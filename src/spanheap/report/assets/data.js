/* What the report was made of. `report` is the only name that these scripts share; they run in this order, within one async
   function (page.py), as unpacking the data is asynchronous. */
const report = await (async function () {
  const text = atob(document.getElementById("data").textContent), packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
})();

report.size = function (bytes) {
  let value = bytes;
  for (const unit of ["B", "KiB", "MiB"]) {
    if (Math.abs(value) < 1000) return report.figures3(value, unit);
    value /= 1024;
  }
  return report.figures3(value, "GiB");
};

/* Made once: making one takes longer than everything else that is done for a frame. */
report.formats = [0, 1].map((digits) => new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));

report.figures3 = function (value, unit) {
  return report.formats[unit === "B" || Math.abs(value) >= 99.95 ? 0 : 1].format(value) + " " + unit;
};

report.percent = function (part, whole) {
  return whole > 0 ? (100 * part / whole).toFixed(1) + " %" : "";
};

/* An element: make("td", {class: "n"}, "text", child). Text is text, whatever is in it. */
report.make = function (name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
};

report.colours = 8;   /* --s0 … --s7, the most live span names; --sx is for the others, --sn for what has no span */

report.spanNames = (function () {
  const { rows } = report.sites, sums = new Map();
  for (let i = 0; i < rows[2].length; i++) {
    sums.set(rows[2][i], (sums.get(rows[2][i]) || 0) + Math.max(rows[3][i], Math.abs(rows[4][i])));
  }
  return [...sums].sort((a, b) => b[1] - a[1]).map(([name]) => name);
})();

report.spanColour = (function () {
  const named = report.spanNames.filter((name) => !report.strings[name].startsWith("<"));
  const places = new Map(named.slice(0, report.colours).map((name, i) => [name, "var(--s" + i + ")"]));
  return (name) => places.get(name) || (report.strings[name].startsWith("<") ? "var(--sn)" : "var(--sx)");
})();
