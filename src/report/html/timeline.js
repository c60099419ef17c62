"use strict";

// The living timeline: one canvas over the still pictures of the rows. Times are milliseconds since the start of the
// timeline, columns are typed arrays, and a frame costs one pass over the spans of the rows in sight; what falls on
// the same pixels is drawn as one. The shapes are those of strip.rs.
const timeline = (() => {
  const plot = document.getElementById("plot");
  if (!plot) return null;

  const data = JSON.parse(document.getElementById("data").textContent);
  const RUN = 0, WAIT = 1, HOLD = 2, MODEL = 3, DELAY = 4, TIMEOUT = 5, RESTART = 6;
  const NOUNS = ["run", "wait", "lock hold", "model call", "event loop blocked", "timeout", "restart"];
  const SEVERITIES = ["", "warning", "critical"];
  const NARROWEST = [1.5, 2.5, 3.5];
  const LEVELS = 4; // of density, from sparse to solid
  const TRACKS = 4;
  const CLUSTER = 4; // pixels over which density is averaged
  const REACH = 5; // pixels around the pointer
  const SHORTEST_VIEW = 20;
  const WHOLE = 2000; // a plot up to this height is drawn whole
  const BUFFER = 400; // of a taller one, so much is drawn above and below the window, so that scrolling needs no frame

  const rows = data.rows.map(decode);
  const elements = new Map();
  for (const element of plot.querySelectorAll(".row")) {
    elements.set(Number(element.dataset.row), { element, strip: element.querySelector(".strip") });
  }
  const stalls = [];
  for (const row of rows) {
    if (elements.get(row.index).element.closest(".rows").dataset.group !== "gateway") continue;
    for (let i = 0; i < row.start.length; i++) {
      if (row.kind[i] === DELAY) stalls.push([row.start[i], row.end[i]]);
      if (row.kind[i] === RESTART) data.marks.push({ at: row.start[i], kind: RESTART, label: data.labels[row.label[i]] });
    }
  }

  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  const tip = document.createElement("div");
  const box = document.createElement("div");
  const axis = document.getElementById("axis");
  const tools = document.getElementById("tools");
  const view = { from: 0, to: data.length };
  let colours, left = 0, width = 1, top = 0, height = 0, plotHeight = 0, axisHeight = 0, offset = 0, density = 1, shown = [];
  let pending = 0, settling = 0, selected = null, pinned = false;

  function decode(row, index) {
    const n = row.starts.length;
    const start = new Float64Array(n), end = new Float64Array(n), reach = new Float64Array(n);
    const kind = new Uint8Array(n), severity = new Uint8Array(n), track = new Uint8Array(n);
    let at = 0, latest = -Infinity;
    for (let i = 0; i < n; i++) {
      at += row.starts[i];
      start[i] = at;
      end[i] = at + row.lengths[i];
      latest = Math.max(latest, end[i]);
      reach[i] = latest;
      kind[i] = row.kinds.charCodeAt(i) - 48;
      severity[i] = row.severities.charCodeAt(i) - 48;
      track[i] = row.on.charCodeAt(i) - 48;
    }
    return { index, name: row.label, tracks: row.tracks, start, end, reach, kind, severity, track, label: row.labels, y: 0, height: 0 };
  }

  // The first index whose value is at least `wanted`, in a sorted array.
  function lowerBound(sorted, wanted) {
    let low = 0, high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // Words ------------------------------------------------------------------------------------------------------

  function duration(ms) {
    const two = (big, unit, small, lesser) => (small ? `${big}${unit} ${small}${lesser}` : `${big}${unit}`);
    const seconds = Math.floor((ms + 500) / 1000);
    if (ms < 1000) return `${Math.round(ms)}ms`;
    if (ms < 59950) return `${Math.round(ms / 100) / 10}s`;
    if (seconds < 3600) return two(Math.floor(seconds / 60), "m", seconds % 60, "s");
    if (seconds < 86400) return two(Math.floor(seconds / 3600), "h", Math.floor((seconds % 3600) / 60), "m");
    return two(Math.floor(seconds / 86400), "d", Math.floor((seconds % 86400) / 3600), "h");
  }

  const manyDays = new Date(data.start).getUTCDate() !== new Date(data.start + data.length - 1).getUTCDate();

  function clock(at, finest) {
    const iso = new Date(data.start + at).toISOString();
    const time = finest < 1000 ? iso.slice(11, 23) : finest < 60000 ? iso.slice(11, 19) : iso.slice(11, 16);
    return manyDays ? `${iso.slice(5, 10)} ${time}` : time;
  }

  // Layout: the page decides where a row is, the canvas follows -------------------------------------------------

  function layout() {
    const frame = plot.getBoundingClientRect();
    shown = [];
    for (const row of rows) {
      const place = elements.get(row.index).strip.getBoundingClientRect();
      if (place.height === 0) continue;
      row.y = place.top - frame.top;
      row.height = place.height;
      left = place.left - frame.left;
      width = Math.max(1, place.width);
      shown.push(row);
    }
    plotHeight = frame.height;
    axisHeight = axis.parentElement.offsetHeight;
    density = Math.min(window.devicePixelRatio || 1, 3);
    canvas.style.left = `${left}px`;
    place(true);
  }

  // Keeps the canvas over what can be seen of a plot that may be much taller than the window.
  function place(force) {
    offset = -plot.getBoundingClientRect().top;
    const seen = plotHeight <= WHOLE ? [0, plotHeight] : [offset, Math.min(plotHeight, offset + window.innerHeight)];
    if (settling) settle();
    if (!force && Math.max(axisHeight, seen[0]) >= top && seen[1] <= top + height) return;
    top = Math.max(axisHeight, Math.floor(seen[0] - BUFFER));
    height = Math.max(1, Math.ceil(Math.min(plotHeight, seen[1] + BUFFER) - top));
    canvas.style.top = `${top}px`;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    draw(top, top + height);
  }

  function readColours() {
    const style = getComputedStyle(plot);
    const value = (name) => style.getPropertyValue(`--${name}`).trim();
    const by = (names) => names.map(value);
    colours = {
      [RUN]: by(["run", "run-warning", "run-critical"]),
      [MODEL]: by(["model", "model-warning", "model-critical"]),
      [WAIT]: by(["wait", "warning", "critical"]),
      [HOLD]: by(["hold", "warning", "critical"]),
      [DELAY]: by(["delay", "warning", "critical"]),
      [TIMEOUT]: by(["hold", "warning", "critical"]),
      grid: value("grid"), stall: value("stall"), restart: value("restart"),
    };
  }

  // Drawing ----------------------------------------------------------------------------------------------------

  // Numbers that are kept from frame to frame, so that drawing leaves nothing to collect.
  class Batch {
    numbers = new Float32Array(3 * 256);
    length = 0;

    push(a, b, c) {
      if (this.length + 3 > this.numbers.length) {
        const more = new Float32Array(this.numbers.length * 2);
        more.set(this.numbers);
        this.numbers = more;
      }
      this.numbers[this.length++] = a;
      this.numbers[this.length++] = b;
      this.numbers[this.length++] = c;
    }
  }

  // Shapes of one kind, severity and density: x, y, width. Crosses: x, y, nothing.
  const batches = Array.from({ length: 5 * 3 * LEVELS }, () => new Batch());
  const crosses = Array.from({ length: 3 }, () => new Batch());
  const openFrom = new Float64Array(5 * 3 * TRACKS);
  const openTo = new Float64Array(5 * 3 * TRACKS);
  const openFill = new Float64Array(5 * 3 * TRACKS);
  const openCount = new Uint32Array(5 * 3 * TRACKS);

  function request() {
    if (!pending) pending = requestAnimationFrame(frame);
  }

  // While it moves, only what is in the window; the rest when it has come to rest.
  function frame() {
    pending = 0;
    draw(Math.max(top, offset), Math.min(top + height, offset + window.innerHeight));
    clearTimeout(settling);
    settling = setTimeout(settle, 150);
  }

  function settle() {
    clearTimeout(settling);
    settling = 0;
    draw(top, top + height);
  }

  function draw(low, high) {
    const scale = width / (view.to - view.from);
    context.setTransform(density, 0, 0, density, 0, -top * density);
    context.clearRect(0, low, width, high - low);
    const step = ticks(scale);
    context.fillStyle = colours.grid;
    for (let at = firstTick(step); at <= view.to; at += step) {
      context.fillRect(Math.round((at - view.from) * scale), low, 1, high - low);
    }
    context.fillStyle = colours.stall;
    for (const [from, to] of stalls) {
      if (to < view.from || from > view.to) continue;
      const x = Math.max(0, (from - view.from) * scale);
      context.fillRect(x, low, Math.max(1, Math.min(width, (to - view.from) * scale) - x), high - low);
    }
    for (const batch of batches) batch.length = 0;
    for (const batch of crosses) batch.length = 0;
    for (const row of shown) {
      if (row.y + row.height >= low && row.y <= high) collect(row, scale);
    }
    for (const kind of [RUN, MODEL, WAIT, DELAY, HOLD]) paint(kind);
    context.strokeStyle = colours.restart;
    context.lineWidth = 1.5;
    context.setLineDash([4, 3]);
    context.beginPath();
    for (const mark of data.marks) {
      if (mark.at < view.from || mark.at > view.to) continue;
      const x = (mark.at - view.from) * scale;
      context.moveTo(x, low);
      context.lineTo(x, high);
    }
    context.stroke();
    context.setLineDash([]);
    paintCrosses();
    drawAxis(step, scale);
    outline(scale);
  }

  // One pass over a row's spans in sight. Spans that touch on the screen grow one open shape per kind, severity and
  // track; shapes of many tiny spans are closed every few pixels, so that their density can be seen.
  function collect(row, scale) {
    openTo.fill(-1);
    const { start, end, kind, severity, track } = row;
    const count = start.length;
    let lastCross = -Infinity;
    for (let i = lowerBound(row.reach, view.from); i < count && start[i] <= view.to; i++) {
      if (end[i] < view.from) continue;
      const x = Math.max(-2, (start[i] - view.from) * scale);
      if (kind[i] >= TIMEOUT) {
        if (kind[i] === TIMEOUT && (x - lastCross > 4 || severity[i] > 0)) {
          crosses[severity[i]].push(x, row.y + row.height / 2, 0);
          lastCross = x;
        }
        continue;
      }
      const real = Math.min(width + 2, (end[i] - view.from) * scale);
      const to = Math.max(real, x + NARROWEST[severity[i]]);
      const key = (kind[i] * 3 + severity[i]) * TRACKS + track[i];
      if (openTo[key] >= 0 && x <= openTo[key] + 0.5) {
        const sparse = openFill[key] < (openTo[key] - openFrom[key]) * 0.9;
        if (!sparse || openTo[key] - openFrom[key] < CLUSTER) {
          openTo[key] = Math.max(openTo[key], to);
          openFill[key] += real - x;
          openCount[key]++;
          continue;
        }
        const seam = Math.max(x, openTo[key]);
        close(row, key);
        openFrom[key] = seam;
        openTo[key] = Math.max(to, seam + 0.5);
      } else {
        if (openTo[key] >= 0) close(row, key);
        openFrom[key] = x;
        openTo[key] = to;
      }
      openFill[key] = real - x;
      openCount[key] = 1;
    }
    for (let key = 0; key < openTo.length; key++) {
      if (openTo[key] >= 0) close(row, key);
    }
  }

  function close(row, key) {
    const track = key % TRACKS, kind = Math.floor(key / TRACKS / 3), severity = Math.floor(key / TRACKS) % 3;
    const length = openTo[key] - openFrom[key];
    const crowd = severity === 0 && openCount[key] > 1;
    const level = crowd ? Math.min(LEVELS - 1, Math.floor((openFill[key] / length) * LEVELS)) : LEVELS - 1;
    const below = kind === HOLD ? row.tracks * data.shape.pitch - 1 : track * data.shape.pitch;
    const y = Math.round(row.y) + data.shape.pad + below;
    // On whole pixels: sharp, and cheap to paint.
    const from = Math.round(openFrom[key] * density) / density;
    const to = Math.max(from + 1 / density, Math.round(openTo[key] * density) / density);
    batches[(kind * 3 + severity) * LEVELS + level].push(from, y, to - from);
  }

  const OFFSET = { [RUN]: 0, [MODEL]: 3, [WAIT]: 4, [HOLD]: 0, [DELAY]: 0 };
  const THICKNESS = { [RUN]: data.shape.bar, [MODEL]: 3, [WAIT]: 2, [HOLD]: 2, [DELAY]: data.shape.bar };

  function paint(kind) {
    for (let severity = 0; severity < 3; severity++) {
      const colour = colours[kind][severity];
      for (let level = 0; level < LEVELS; level++) {
        const batch = batches[(kind * 3 + severity) * LEVELS + level];
        if (batch.length === 0) continue;
        context.globalAlpha = 0.45 + (0.55 * (level + 1)) / LEVELS;
        context.fillStyle = context.strokeStyle = colour;
        if (kind === DELAY) {
          // A comb, as dashes of a thick line.
          line(batch, data.shape.bar / 2, data.shape.bar, [1.5, 1.5]);
        } else {
          const offset = OFFSET[kind], thickness = THICKNESS[kind], { numbers, length } = batch;
          for (let i = 0; i < length; i += 3) {
            context.fillRect(numbers[i], numbers[i + 1] + offset, numbers[i + 2], thickness);
          }
        }
        context.globalAlpha = 1;
        if (severity > 0 && kind !== HOLD) {
          context.strokeStyle = colours[WAIT][severity];
          line(batch, -2, 2, severity === 1 ? [2, 2] : []);
        }
      }
    }
  }

  function line(batch, dy, thickness, dash) {
    context.lineWidth = thickness;
    context.setLineDash(dash);
    context.beginPath();
    const { numbers, length } = batch;
    for (let i = 0; i < length; i += 3) {
      context.moveTo(numbers[i], numbers[i + 1] + dy);
      context.lineTo(numbers[i] + numbers[i + 2], numbers[i + 1] + dy);
    }
    context.stroke();
    context.setLineDash([]);
  }

  function paintCrosses() {
    context.lineWidth = 2;
    for (let severity = 0; severity < 3; severity++) {
      const { numbers, length } = crosses[severity];
      context.strokeStyle = colours[TIMEOUT][severity];
      context.beginPath();
      for (let i = 0; i < length; i += 3) {
        const x = numbers[i], y = numbers[i + 1];
        context.moveTo(x - 4, y - 4);
        context.lineTo(x + 4, y + 4);
        context.moveTo(x - 4, y + 4);
        context.lineTo(x + 4, y - 4);
      }
      context.stroke();
    }
  }

  // Axis -------------------------------------------------------------------------------------------------------

  const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
  const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 20 * SECOND, 30 * SECOND,
    MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
    DAY, 2 * DAY, 7 * DAY, 30 * DAY, 365 * DAY];
  const labels = [];
  const living = axis.appendChild(document.createElementNS(axis.namespaceURI, "g"));
  const thumb = living.appendChild(document.createElementNS(axis.namespaceURI, "rect"));

  function ticks(scale) {
    const apart = manyDays ? 120 : 84;
    return STEPS.find((step) => step * scale >= apart) ?? 3650 * DAY;
  }

  function firstTick(step) {
    return Math.ceil((view.from + data.start) / step) * step - data.start;
  }

  function drawAxis(step, scale) {
    let used = 0;
    for (let at = firstTick(step); at <= view.to; at += step, used++) {
      if (used === labels.length) {
        labels.push(living.appendChild(document.createElementNS(axis.namespaceURI, "text")));
        labels[used].setAttribute("y", "13");
      }
      const x = (at - view.from) * scale;
      labels[used].setAttribute("x", String(Math.round(x) + 3));
      labels[used].textContent = x > width - 50 ? "" : clock(at, step);
    }
    for (; used < labels.length; used++) labels[used].textContent = "";
    const whole = view.from <= 0 && view.to >= data.length;
    thumb.setAttribute("x", String((Math.max(0, view.from) / data.length) * width));
    thumb.setAttribute("width", whole ? "0" : String(Math.max(3, ((view.to - view.from) / data.length) * width)));
  }

  // Moving -----------------------------------------------------------------------------------------------------

  function setView(from, to) {
    const length = Math.min(data.length, Math.max(SHORTEST_VIEW, to - from));
    const start = Math.min(Math.max(0, from + (to - from - length) / 2), data.length - length);
    if (start === view.from && start + length === view.to) return;
    view.from = start;
    view.to = start + length;
    tellRange();
    request();
  }

  function zoom(factor, at = (view.from + view.to) / 2) {
    const length = Math.min(data.length, Math.max(SHORTEST_VIEW, (view.to - view.from) / factor));
    const from = at - ((at - view.from) / (view.to - view.from)) * length;
    setView(from, from + length);
  }

  function pan(share) {
    const by = (view.to - view.from) * share;
    const held = Math.min(Math.max(by, -view.from), data.length - view.to);
    setView(view.from + held, view.to + held);
  }

  function reset() {
    select(null);
    setView(0, data.length);
  }

  let telling = 0;
  function tellRange() {
    clearTimeout(telling);
    telling = setTimeout(() => {
      const length = view.to - view.from;
      range.textContent = `${clock(view.from, length / 10)} to ${clock(view.to, length / 10)} UTC, ${duration(length)}`;
    }, 80);
  }

  // Details ----------------------------------------------------------------------------------------------------

  function timeAt(x) {
    return view.from + (x / width) * (view.to - view.from);
  }

  // Where a span is drawn within its row: top and thickness.
  function lies(row, i) {
    const { pad, pitch, bar } = data.shape;
    if (row.kind[i] >= TIMEOUT) return [row.height / 2 - 5, 10];
    if (row.kind[i] === HOLD) return [pad + row.tracks * pitch - 2, 4];
    const y = pad + row.track[i] * pitch;
    return row.kind[i] === MODEL ? [y + 2, 5] : [y, bar];
  }

  // The span under the pointer: the nearest, and of those that overlap there the shortest.
  function hit(x, y) {
    const row = shown.find((each) => y >= each.y && y < each.y + each.height);
    const scale = width / (view.to - view.from);
    const slack = REACH / scale;
    const at = timeAt(x);
    let best = null, score = Infinity, near = 0;
    if (row) {
      for (let i = lowerBound(row.reach, at - slack); i < row.start.length && row.start[i] <= at + slack; i++) {
        if (row.end[i] < at - slack) continue;
        const away = Math.max(0, row.start[i] - at, at - row.end[i]) * scale;
        const [low, thickness] = lies(row, i);
        const off = Math.max(0, row.y + low - y, y - (row.y + low + thickness));
        if (off > 6) continue;
        if (away < 1) near++;
        const badness = away * 4 + off * 4 - row.severity[i] + Math.min(3, Math.log10(1 + (row.end[i] - row.start[i]) * scale));
        if (badness < score) [best, score] = [{ row, i }, badness];
      }
    }
    if (!best) {
      const mark = data.marks.find((each) => Math.abs(each.at - at) <= slack);
      if (mark) return { mark };
    }
    return best && { ...best, others: Math.max(0, near - 1) };
  }

  function add(parent, tag, text, name) {
    const element = parent.appendChild(document.createElement(tag));
    element.textContent = text;
    if (name) element.className = name;
    return element;
  }

  function describe(what) {
    tip.replaceChildren();
    if (!what) return;
    if (what.mark) {
      add(tip, "strong", NOUNS[what.mark.kind]);
      add(tip, "span", `${clock(what.mark.at, 1)} UTC`);
      if (what.mark.label) add(tip, "p", what.mark.label);
      return;
    }
    const { row, i, others } = what;
    const length = row.end[i] - row.start[i];
    const name = NOUNS[row.kind[i]];
    const severity = SEVERITIES[row.severity[i]];
    add(tip, "strong", length > 0 ? `${name}, ${duration(length)}` : name);
    if (severity) add(tip, "span", severity, `badge s${row.severity[i]}`);
    add(tip, "code", row.name);
    const label = data.labels[row.label[i]];
    if (label) add(tip, "p", label);
    const from = clock(row.start[i], 1);
    add(tip, "span", length > 0 ? `${from} to ${clock(row.end[i], 1)} UTC` : `${from} UTC`, "when");
    if (others > 0) add(tip, "span", `and ${others} more here: zoom in`, "when");
  }

  // Beside the pointer or the span, within the plot.
  function putTip(x, y) {
    const size = tip.getBoundingClientRect();
    const room = plot.clientWidth;
    const beside = left + x + 14;
    tip.style.left = `${Math.max(0, beside + size.width <= room ? beside : Math.min(left + x - 14 - size.width, room - size.width))}px`;
    tip.style.top = `${y + 14}px`;
  }

  function outline(scale) {
    box.hidden = !selected;
    if (!selected) return;
    const { row, i } = selected;
    const [low, thickness] = lies(row, i);
    const x = (row.start[i] - view.from) * scale;
    const x0 = Math.max(-3, row.kind[i] >= TIMEOUT ? x - 6 : x - 2);
    const x1 = Math.min(width + 3, Math.max((row.end[i] - view.from) * scale, x) + (row.kind[i] >= TIMEOUT ? 6 : 2));
    box.hidden = x1 <= x0;
    box.style.left = `${left + x0}px`;
    box.style.width = `${x1 - x0}px`;
    box.style.top = `${row.y + low - 3}px`;
    box.style.height = `${thickness + 6}px`;
  }

  function select(what) {
    selected = what && what.row ? what : null;
    pinned = Boolean(what);
    describe(what);
    if (selected) {
      const { row, i } = selected;
      const length = view.to - view.from;
      if (row.end[i] < view.from || row.start[i] > view.to) {
        const middle = (row.start[i] + Math.min(row.end[i], row.start[i] + length)) / 2;
        setView(middle - length / 2, middle + length / 2);
      }
      const x = ((row.start[i] - view.from) / (view.to - view.from)) * width;
      putTip(Math.min(Math.max(0, x), width), row.y + row.height - 8);
    }
    request();
  }

  // The next span in this row, or the one nearest to the same time in another.
  function step(by) {
    if (!selected) return enter(shown.find((row) => row.start.length > 0), (view.from + view.to) / 2);
    const i = selected.i + by;
    if (i >= 0 && i < selected.row.start.length) select({ row: selected.row, i });
    return undefined;
  }

  function changeRow(by) {
    if (!selected) return step(0);
    let at = shown.indexOf(selected.row) + by;
    while (shown[at] && shown[at].start.length === 0) at += by;
    return shown[at] && enter(shown[at], selected.row.start[selected.i]);
  }

  function enter(row, time) {
    if (!row) return;
    const i = Math.min(lowerBound(row.start, time), row.start.length - 1);
    const earlier = i > 0 && time - row.start[i - 1] < row.start[i] - time;
    select({ row, i: earlier ? i - 1 : i });
    elements.get(row.index).element.scrollIntoView({ block: "nearest" });
  }

  // Hands ------------------------------------------------------------------------------------------------------

  const KEYS = {
    ArrowLeft: () => pan(-0.15), ArrowRight: () => pan(0.15),
    ArrowUp: () => changeRow(-1), ArrowDown: () => changeRow(1),
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), _: () => zoom(1 / 1.5),
    0: reset, Home: reset, n: () => step(1), p: () => step(-1),
    Enter: () => selected && show(selected.row.index, selected.row.start[selected.i], selected.row.end[selected.i]),
    Escape: () => (selected ? select(null) : canvas.blur()),
  };

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });

  canvas.addEventListener("wheel", (event) => {
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.shiftKey ? event.deltaY : 0;
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * unit * 0.006), timeAt(event.offsetX));
    } else if (sideways) {
      event.preventDefault();
      pan((sideways * unit) / width);
    } else if (document.activeElement === canvas) {
      // Once it was clicked or tabbed to; otherwise the wheel scrolls the page.
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * unit * 0.002), timeAt(event.offsetX));
    }
  }, { passive: false });

  const fingers = new Map();
  let moved = 0;

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (fingers.size === 0) moved = 0;
    fingers.set(event.pointerId, event.offsetX);
    canvas.setPointerCapture(event.pointerId);
  });

  canvas.addEventListener("pointermove", (event) => {
    const x = event.offsetX;
    if (!fingers.has(event.pointerId)) {
      if (event.pointerType === "mouse") hover(x, event.offsetY);
      return;
    }
    const before = fingers.get(event.pointerId);
    moved += Math.abs(x - before);
    if (moved < 4) return;
    canvas.classList.add("dragging");
    if (!pinned) tip.replaceChildren();
    if (fingers.size === 1) {
      pan((before - x) / width);
    } else {
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
      zoom(Math.max(8, Math.abs(x - other)) / Math.max(8, Math.abs(before - other)), timeAt(other));
    }
    fingers.set(event.pointerId, x);
  });

  function lift(event) {
    if (!fingers.delete(event.pointerId)) return;
    canvas.classList.remove("dragging");
    if (event.type === "pointerup" && moved < 4) {
      const what = hit(event.offsetX, event.offsetY + top);
      select(what);
      if (what && what.mark) putTip(event.offsetX, event.offsetY + top);
    }
  }
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", () => pinned || tip.replaceChildren());
  canvas.addEventListener("dblclick", (event) => zoom(4, timeAt(event.offsetX)));

  function hover(x, y) {
    if (pinned) return;
    const what = hit(x, y + top);
    canvas.classList.toggle("over", Boolean(what));
    describe(what);
    if (what) putTip(x, y + top);
  }

  // Shows a stretch of time in one row.
  function show(index, from, to) {
    if (elements.get(index).element.classList.contains("quiet")) expand();
    const margin = Math.max((to - from) * 0.25, 2000);
    setView(from - margin, to + margin);
    const { element } = elements.get(index);
    element.scrollIntoView({ block: "center" });
    for (const each of plot.querySelectorAll(".here")) each.classList.remove("here");
    element.classList.add("here");
    canvas.focus({ preventScroll: true });
  }

  function expand() {
    plot.classList.add("all");
    document.getElementById("more")?.remove();
    layout();
  }

  // Setting up -------------------------------------------------------------------------------------------------

  function tool(text, name, act) {
    const button = add(tools, "button", text);
    button.type = "button";
    button.ariaLabel = name;
    button.addEventListener("click", act);
  }
  tool("−", "Zoom out", () => zoom(1 / 2));
  tool("+", "Zoom in", () => zoom(2));
  tool("‹", "Earlier", () => pan(-0.5));
  tool("›", "Later", () => pan(0.5));
  tool("Reset", "Reset the view", reset);
  const range = add(tools, "span", "", "range");
  range.setAttribute("role", "status");
  const touch = matchMedia("(hover: none)").matches;
  const help = add(tools, "p", touch
    ? "Drag to move, pinch to zoom, tap for details."
    : "Drag or ← → to move, Ctrl+wheel or + − to zoom, ↑ ↓ N P from event to event, 0 for everything.", "help");
  help.id = "plot-help";
  tools.hidden = false;

  const more = document.getElementById("more");
  if (more) add(more, "button", "Show all rows").addEventListener("click", expand);

  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "Timeline");
  canvas.setAttribute("aria-describedby", "plot-help");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  box.className = "box";
  thumb.setAttribute("y", "18");
  thumb.setAttribute("height", "2");
  living.setAttribute("class", "living");
  plot.append(canvas, box, tip);
  plot.classList.add("live");

  readColours();
  layout();
  tellRange();
  new ResizeObserver(layout).observe(plot);
  addEventListener("scroll", () => place(false), { passive: true });
  for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
    matchMedia(query).addEventListener("change", () => {
      readColours();
      request();
    });
  }

  return { show, view, origin: data.start, length: data.length, frame };
})();
