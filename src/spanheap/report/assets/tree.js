/* The tree of a flame graph, made of the rows of the report for what is asked.

   A heap has a hundred thousand frames, and a screen shows some thousand: what is narrower than some pixels is left
   out, and its parent is `cut`. In `focus`, what one has zoomed to, it is measured by that frame's width instead.
   A frame: {name, file, line, origin, value, span, spanValue, root, node, cut, children}; `span` has most of it. */
report.tree = function ({ mode, byRoot, ownOnly, span, root, focus, narrowest }) {
  const { frames, up, frame, rows } = report.sites;
  const [functions, files, lines, origins] = frames;
  const [leaves, roots, spans] = rows;
  const values = rows[{ live: 3, growth: 4, allocated: 5 }[mode]];
  const sums = report.scratch(0), ofSpan = report.scratch(1), most = report.scratch(2);
  const mainSpan = report.scratch(3), objects = new Array(up.length);

  const chosen = [];
  let total = 0;
  for (let row = 0; row < values.length; row++) {
    if (!(values[row] > 0) || (span !== null && spans[row] !== span) || (root !== null && roots[row] !== root)) continue;
    chosen.push(row);
    total += values[row];
  }
  const group = (row) => (byRoot ? roots[row] : 0);
  chosen.sort((a, b) => group(a) - group(b) || spans[a] - spans[b]);
  const least = ownOnly ? 0 : total * narrowest;
  const leastInFocus = focus && !ownOnly ? focus.value * narrowest : least;
  const top = make("", null, -1, null);

  function make(name, parent, node, f) {
    const made = {
      name, file: f === null ? "" : report.strings[files[f]], line: f === null ? 0 : lines[f],
      origin: f === null ? -1 : origins[f], value: 0, span: null, spanValue: 0, root: parent ? parent.root : null, node,
      frame: f, cut: false, children: [],
    };
    if (parent) parent.children.push(made);
    return made;
  }

  function add(made, value, spanName, spanValue) {
    made.value += value;
    if (spanValue > made.spanValue) [made.span, made.spanValue] = [spanName, spanValue];
  }

  /* Sums for all nodes that these rows (one group, by span) go through; then the frames that are wide enough. */
  function addGroup(begin, end) {
    const touched = [], groupSpans = new Map();
    let groupTotal = 0;
    for (let i = begin; i < end;) {
      const name = spans[chosen[i]], mine = [];
      let spanTotal = 0;
      for (; i < end && spans[chosen[i]] === name; i++) {
        const value = values[chosen[i]];
        spanTotal += value;
        for (let node = leaves[chosen[i]]; node >= 0; node = up[node] ? node - up[node] : -1) {
          if (ofSpan[node] === 0) mine.push(node);
          ofSpan[node] += value;
        }
      }
      groupTotal += spanTotal;
      groupSpans.set(name, spanTotal);
      for (const node of mine) {
        if (sums[node] === 0) touched.push(node);
        sums[node] += ofSpan[node];
        if (ofSpan[node] > most[node]) {
          most[node] = ofSpan[node];
          mainSpan[node] = name;
        }
        ofSpan[node] = 0;
      }
    }
    const [groupSpan, groupMost] = [...groupSpans].reduce((best, next) => (next[1] > best[1] ? next : best));
    add(top, groupTotal, groupSpan, groupMost);
    let above = top;
    if (byRoot) {
      const number = roots[chosen[begin]];
      above = make(report.strings[number], top, -1, null);
      above.root = number;
      add(above, groupTotal, groupSpan, groupMost);
    }
    const focused = focus && (!byRoot || focus.root === above.root);
    const inFocus = new Set();
    for (const node of Int32Array.from(touched).sort()) {   /* a parent has a smaller number than its children */
      const before = up[node] ? node - up[node] : -1;
      const parent = before < 0 ? above : objects[before];
      const near = focused && (focus.node < 0 || node === focus.node || inFocus.has(before));
      if (near) inFocus.add(node);
      if (parent === undefined) continue;
      const f = frame[node];
      if (ownOnly && origins[f] > 0) objects[node] = parent;
      else if (sums[node] < (near ? leastInFocus : least)) parent.cut = true;
      else {
        const made = (ownOnly && parent.children.find((child) => child.frame === f)) ||
          make(report.strings[functions[f]], parent, node, f);
        add(made, sums[node], mainSpan[node], most[node]);
        objects[node] = made;
      }
    }
    for (const node of touched) {
      sums[node] = most[node] = 0;
      objects[node] = undefined;
    }
  }

  for (let begin = 0, end; begin < chosen.length; begin = end) {
    for (end = begin; end < chosen.length && group(chosen[end]) === group(chosen[begin]);) end++;
    addGroup(begin, end);
  }
  (function finish(made) {
    made.children.sort((a, b) => b.value - a.value);
    for (const child of made.children) {
      finish(child);
      made.cut ||= child.cut;
    }
  })(top);
  return top;
};

/* Numbers, one for each node: all zero whenever nobody is at work. */
report.scratch = (function () {
  const arrays = [];
  return (i) => arrays[i] || (arrays[i] = new Float64Array(report.sites.up.length));
})();

/* What a search finds, in all rows, drawn or not: how many frames, and the sum of the rows that have one of them. */
report.find = function (term, { mode, byRoot, ownOnly, span, root }) {
  const { frames, up, frame, rows } = report.sites;
  const values = rows[{ live: 3, growth: 4, allocated: 5 }[mode]];
  const matches = frames[0].map((name, f) => !(ownOnly && frames[3][f] > 0) && report.matches({
    name: report.strings[name], file: report.strings[frames[1][f]], line: frames[2][f] }, term));
  const found = new Set();
  let sum = 0;
  for (let row = 0; row < values.length; row++) {
    if (!(values[row] > 0) || (span !== null && rows[2][row] !== span) || (root !== null && rows[1][row] !== root)) continue;
    let hit = false;
    if (byRoot && report.matches({ name: report.strings[rows[1][row]], file: "", line: 0 }, term)) {
      hit = true;
      found.add("root" + rows[1][row]);
    }
    for (let node = rows[0][row]; node >= 0; node = up[node] ? node - up[node] : -1) {
      if (!matches[frame[node]]) continue;
      hit = true;
      found.add(frame[node]);
    }
    if (hit) sum += values[row];
  }
  return { frames: found.size, sum };
};

report.matches = (frame, term) => report.frameName(frame, true).toLowerCase().includes(term);

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
