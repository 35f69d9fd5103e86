/* The tree of a flame graph, made of the rows of the report for what is asked. */
report.tree = function ({ mode, byRoot, ownOnly, span, root }) {
  const { frames, up, frame, rows } = report.sites;
  const [functions, files, lines, origins] = frames;
  const values = rows[{ live: 3, growth: 4, allocated: 5 }[mode]];
  const top = { name: "all", file: "", line: 0, origin: -1, value: 0, spans: new Map(), children: [], index: new Map() };

  function add(node, value, spanName) {
    node.value += value;
    node.spans.set(spanName, (node.spans.get(spanName) || 0) + value);
  }
  function child(node, key, make) {
    let found = node.index.get(key);
    if (!found) {
      found = Object.assign(make(), { value: 0, spans: new Map(), children: [], index: new Map() });
      node.index.set(key, found);
      node.children.push(found);
    }
    return found;
  }
  const path = [];
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (!(value > 0) || (span !== null && rows[2][row] !== span) || (root !== null && rows[1][row] !== root)) continue;
    path.length = 0;
    for (let node = rows[0][row]; node >= 0; node = up[node] ? node - up[node] : -1) path.push(frame[node]);
    let node = top;
    add(node, value, rows[2][row]);
    if (byRoot) {
      node = child(node, "root" + rows[1][row], () => ({ name: report.strings[rows[1][row]], file: "", line: 0, origin: -1 }));
      add(node, value, rows[2][row]);
    }
    for (let i = path.length - 1; i >= 0; i--) {
      const f = path[i];
      if (ownOnly && origins[f] > 0) continue;
      node = child(node, f, () => ({
        name: report.strings[functions[f]], file: report.strings[files[f]], line: lines[f], origin: origins[f],
      }));
      add(node, value, rows[2][row]);
    }
  }
  (function finish(node) {
    node.index = null;
    node.children.sort((a, b) => b.value - a.value);
    node.children.forEach(finish);
  })(top);
  return top;
};

report.place = function (frame, whole) {
  if (!frame.file) return "";
  const file = whole ? frame.file : frame.file.slice(frame.file.lastIndexOf("/") + 1);
  return frame.line ? file + ":" + frame.line : file;
};

/* As the tables and the verdict have it: `remember (/srv/app/store.py:88)`. */
report.frameName = function (frame, whole) {
  const place = report.place(frame, whole);
  return place ? frame.name + " (" + place + ")" : frame.name;
};

report.mainSpan = function (frame) {
  let best = null, most = -1;
  for (const [name, value] of frame.spans) if (value > most) [best, most] = [name, value];
  return best;
};
