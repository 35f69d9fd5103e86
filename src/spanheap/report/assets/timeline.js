/* Resident memory, live bytes and the limit on the left, completed spans a second on the right, by uPlot. */
report.timeline = (function () {
  const place = document.getElementById("timeline");
  const [times, rss, live, limit, completed] = report.curve;
  let plot = null;

  function style(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function has(column) {
    return Boolean(column) && column.some((value) => value !== null);
  }

  const day = "\n{YYYY}-{MM}-{DD}";
  const clock = [[86400, "{YYYY}-{MM}-{DD}"], [60, "{HH}:{mm}"], [1, "{HH}:{mm}:{ss}"], [0.001, "{HH}:{mm}:{ss}.{fff}"]].map(
    ([step, form]) => [step, form, ...(step < 86400 ? [day, null, day] : [null, null, null]), null, null, null, 1]);
  const powers = Array.from({ length: 50 }, (_, i) => 2 ** i);

  /* Under the cursor; without one, the last that is known. */
  function told(column, say) {
    const last = column.findLast((value) => value !== null);
    return (u, value, series, at) => (at === null ? say(last) : value === null || value === undefined ? "not known" : say(value));
  }

  function draw() {
    if (!times || times.length < 2) return;
    document.getElementById("time-section").hidden = false;
    if (plot) plot.destroy();
    const grid = { stroke: style("--line"), width: 1 }, ink = style("--soft"), font = "12px system-ui, sans-serif";
    const bytes = (u, values) => values.map((value) => report.size(value));
    const points = { show: times.length < 30 };
    const moment = (time) => new Date(time * 1e3).toISOString().replace("T", " ").slice(0, 19);
    const series = [{ label: "Time (UTC)", value: told(times, moment) }], data = [times];
    function line(label, column, colour, more) {
      if (!has(column)) return;
      series.push({ label, stroke: style(colour), width: 2, points, value: told(column, report.size), scale: "bytes", ...more });
      data.push(column);
    }
    line("Resident", rss, "--accent", { fill: style("--wash") });
    line("Live", live, "--s1line", {});
    line("Limit", limit, "--bad", { dash: [6, 5], width: 1.5, points: { show: false } });
    line("Completed spans/s", completed, "--s4line", {
      scale: "rate", width: 1.25,
      value: told(completed || [], (value) => value.toLocaleString("en", { maximumFractionDigits: 1 })),
    });
    const axes = [
      { stroke: ink, grid, ticks: grid, font, space: 90, values: clock },
      { scale: "bytes", stroke: ink, grid, ticks: grid, font, size: 84, values: bytes, incrs: powers },
    ];
    if (has(completed)) {
      axes.push({ scale: "rate", side: 1, stroke: ink, grid: { show: false }, ticks: grid, font, size: 60, label: "spans/s",
        labelFont: font, labelSize: 18 });
    }
    plot = new uPlot({
      width: place.clientWidth, height: 260, series, axes, tzDate: (time) => uPlot.tzDate(new Date(time * 1e3), "Etc/UTC"),
      scales: { x: { time: true }, bytes: { range: (u, least, most) => [0, (most || 1) * 1.06] },
        rate: { range: (u, least, most) => [0, (most || 1) * 3] } },   /* below the memory */
      cursor: { drag: { x: true, y: false } },
    }, data, place);
    plot.root.setAttribute("role", "img");
    plot.root.setAttribute("aria-label", summary());
  }

  function summary() {
    const ends = (column, name) => (has(column)
      ? name + " from " + report.size(column.find((v) => v !== null)) + " to " + report.size(column.findLast((v) => v !== null)) : "");
    return [times.length + " points", ends(rss, "resident memory"), ends(live, "live memory")].filter(Boolean).join("; ");
  }

  let width = place.clientWidth;
  new ResizeObserver(() => {
    if (plot && place.clientWidth && Math.abs(place.clientWidth - width) > 1) {
      width = place.clientWidth;
      plot.setSize({ width, height: 260 });
    }
  }).observe(place);
  return { draw };
})();
