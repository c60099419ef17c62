
// The picture: one canvas over the still pictures of the rows, with their shapes (strip.rs). A frame costs one pass over
// the spans of the rows in sight; what falls on the same pixels is drawn as one. `view` is the time that shows, `drawn`
// is called after each frame.
function createPicture(plot, data, view, drawn) {
  const NARROWEST = [1.5, 2.5, 3.5];
  const LEVELS = 4; // of density, from sparse to solid
  const TRACKS = 4;
  const CLUSTER = 4; // pixels over which density is averaged
  const WHOLE = 2000; // a plot up to this height is drawn whole
  const BUFFER = 400; // of a taller one, so much is drawn above and below the window, so that scrolling needs no frame

  const { rows, marks, stalls } = data;
  const { clock, manyDays } = clockOf(data);
  const strips = new Map();
  for (const element of plot.querySelectorAll(".row")) strips.set(Number(element.dataset.row), element.querySelector(".strip"));
  const axis = document.getElementById("axis");
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  let colours, left = 0, width = 1, top = 0, height = 0, plotHeight = 0, axisHeight = 0, offset = 0, density = 1;
  let shown = [], pending = 0, settling = 0;

  // The page decides where a row is, the canvas follows.
  function layout() {
    const frame = plot.getBoundingClientRect();
    shown = [];
    for (const row of rows) {
      const place = strips.get(row.index).getBoundingClientRect();
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

  function follow() {
    if (settling) settle();
    place(false);
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
      [LIFE]: by(["life", "life", "life"]),
      instant: by(["hold", "warning", "critical"]),
      grid: value("grid"), stall: value("stall"), restart: value("restart"),
    };
  }

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

  // Shapes of one kind, severity and density: x, y, width. Instants of one kind and severity: x, y, height of the row.
  const batches = Array.from({ length: FIRST_INSTANT * 3 * LEVELS }, () => new Batch());
  const instants = Array.from({ length: 3 * 3 }, () => new Batch());
  const OPEN = FIRST_INSTANT * 3 * TRACKS;
  const openFrom = new Float64Array(OPEN);
  const openTo = new Float64Array(OPEN);
  const openFill = new Float64Array(OPEN);
  const openCount = new Uint32Array(OPEN);
  const lastInstant = new Float64Array(3);

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
    for (const batch of instants) batch.length = 0;
    for (const row of shown) {
      if (row.y + row.height >= low && row.y <= high) collect(row, scale);
    }
    for (const kind of [LIFE, RUN, MODEL, WAIT, DELAY, HOLD]) paint(kind);
    context.strokeStyle = colours.restart;
    context.lineWidth = 1.5;
    context.setLineDash([4, 3]);
    context.beginPath();
    for (const mark of marks) {
      if (mark.at < view.from || mark.at > view.to) continue;
      const x = (mark.at - view.from) * scale;
      context.moveTo(x, low);
      context.lineTo(x, high);
    }
    context.stroke();
    context.setLineDash([]);
    paintInstants();
    drawAxis(step, scale);
    drawn(scale);
  }

  // One pass over a row's spans in sight. Spans that touch on the screen grow one open shape per kind, severity and
  // track; shapes of many tiny spans are closed every few pixels, so that their density can be seen.
  function collect(row, scale) {
    openTo.fill(-1);
    const { start, end, kind, severity, track } = row;
    const count = start.length;
    lastInstant.fill(-Infinity);
    for (let i = lowerBound(row.reach, view.from); i < count && start[i] <= view.to; i++) {
      if (end[i] < view.from) continue;
      const x = Math.max(-2, (start[i] - view.from) * scale);
      if (kind[i] >= FIRST_INSTANT) {
        const which = kind[i] - FIRST_INSTANT;
        if (x - lastInstant[which] > 2 || severity[i] === 2) {
          instants[which * 3 + severity[i]].push(x, row.y, row.height);
          lastInstant[which] = x;
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

  const OFFSET = { [RUN]: 0, [MODEL]: 3, [WAIT]: 4, [HOLD]: 0, [LIFE]: 0 };
  const THICKNESS = { [RUN]: data.shape.bar, [MODEL]: 3, [WAIT]: 2, [HOLD]: 2, [LIFE]: data.shape.bar };

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
        if (severity > 0 && kind !== HOLD && kind !== LIFE) {
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

  // A cross for a timeout, a line through its row for a restart, a dot for a notice.
  function paintInstants() {
    context.lineWidth = 2;
    for (let which = 0; which < instants.length; which++) {
      const { numbers, length } = instants[which];
      const kind = FIRST_INSTANT + Math.floor(which / 3);
      context.strokeStyle = context.fillStyle = colours.instant[which % 3];
      context.beginPath();
      for (let i = 0; i < length; i += 3) {
        const x = numbers[i], y = numbers[i + 1] + numbers[i + 2] / 2;
        if (kind === TIMEOUT) {
          context.moveTo(x - 4, y - 4);
          context.lineTo(x + 4, y + 4);
          context.moveTo(x - 4, y + 4);
          context.lineTo(x + 4, y - 4);
        } else if (kind === RESTART) {
          context.moveTo(x, numbers[i + 1]);
          context.lineTo(x, numbers[i + 1] + numbers[i + 2]);
        } else {
          context.moveTo(x + 3, y);
          context.arc(x, y, 3, 0, 2 * Math.PI);
        }
      }
      if (kind === NOTICE) context.fill();
      else context.stroke();
    }
  }

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
    const start = data.start + times.offset(data.start);
    return Math.ceil((view.from + start) / step) * step - start;
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

  // Where a span is drawn within its row: top and thickness.
  function lies(row, i) {
    const { pad, pitch, bar } = data.shape;
    if (row.kind[i] >= FIRST_INSTANT) return [row.height / 2 - 5, 10];
    if (row.kind[i] === HOLD) return [pad + row.tracks * pitch - 2, 4];
    const y = pad + row.track[i] * pitch;
    return row.kind[i] === MODEL ? [y + 2, 5] : [y, bar];
  }

  living.setAttribute("class", "living");
  thumb.setAttribute("y", "18");
  thumb.setAttribute("height", "2");
  plot.append(canvas);
  readColours();

  return {
    canvas, layout, follow, readColours, request, frame, lies,
    get left() { return left; },
    get width() { return width; },
    get top() { return top; },
    get shown() { return shown; },
  };
}
