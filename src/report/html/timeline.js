
// The living timeline: zoom, pan, and the details of what is under the pointer or was chosen with the keyboard.
const timeline = (() => {
  const plot = document.getElementById("plot");
  if (!plot) return null;

  const NOUNS = ["run", "wait", "lock hold", "model call", "event loop blocked", "gateway process", "timeout", "restart", "notice"];
  const SEVERITIES = ["", "warning", "critical"];
  const REACH = 5; // pixels around the pointer
  const SHORTEST_VIEW = 20; // milliseconds

  const data = readTimeline();
  const { clock } = clockOf(data);
  const view = { from: 0, to: data.length };
  const elements = new Map();
  for (const element of plot.querySelectorAll(".row")) elements.set(Number(element.dataset.row), element);
  const picture = createPicture(plot, data, view, outline);
  const { canvas } = picture;
  const tip = document.createElement("div");
  const box = document.createElement("div");
  const tools = document.getElementById("tools");
  let selected = null, pinned = false;

  function setView(from, to) {
    const length = Math.min(data.length, Math.max(SHORTEST_VIEW, to - from));
    const start = Math.min(Math.max(0, from + (to - from - length) / 2), data.length - length);
    if (start === view.from && start + length === view.to) return;
    view.from = start;
    view.to = start + length;
    if (pinned && !selected) select(null);
    tellRange();
    picture.request();
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
      range.textContent = `${clock(view.from, length / 10)} to ${clock(view.to, length / 10)} ${times.zone()}, ${duration(length)}`;
    }, 80);
  }

  function timeAt(x) {
    return view.from + (x / picture.width) * (view.to - view.from);
  }

  // The span under the pointer: the nearest, and of those that overlap there the shortest.
  function hit(x, y) {
    const row = picture.shown.find((each) => y >= each.y && y < each.y + each.height);
    const scale = picture.width / (view.to - view.from);
    const slack = REACH / scale;
    const at = timeAt(x);
    let best = null, score = Infinity, others = 0;
    if (row) {
      for (let i = lowerBound(row.reach, at - slack); i < row.start.length && row.start[i] <= at + slack; i++) {
        if (row.end[i] < at - slack) continue;
        const away = Math.max(0, row.start[i] - at, at - row.end[i]) * scale;
        const [low, thickness] = picture.lies(row, i);
        const off = Math.max(0, row.y + low - y, y - (row.y + low + thickness));
        if (off > 6) continue;
        const long = (row.end[i] - row.start[i]) * scale;
        // Too small to be told apart by eye.
        if (away < 1 && long < 3) others++;
        const badness = away * 4 + off * 4 - row.severity[i] + Math.min(3, Math.log10(1 + long));
        if (badness < score) [best, score] = [{ row, i }, badness];
      }
    }
    if (!best) {
      const mark = data.marks.find((each) => Math.abs(each.at - at) <= slack);
      if (mark) return { mark };
    }
    return best && { ...best, others: others - 1 };
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
      add(tip, "span", `${clock(what.mark.at, 1)} ${times.zone()}`);
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
    add(tip, "span", length > 0 ? `${from} to ${clock(row.end[i], 1)} ${times.zone()}` : `${from} ${times.zone()}`, "when");
    if (others > 0) add(tip, "span", `and ${others} more here: zoom in`, "when");
  }

  // Beside the pointer or the span, within the plot.
  function putTip(x, y) {
    const size = tip.getBoundingClientRect();
    const room = plot.clientWidth;
    const beside = picture.left + x + 14;
    tip.style.left = `${Math.max(0, beside + size.width <= room ? beside : Math.min(picture.left + x - 14 - size.width, room - size.width))}px`;
    tip.style.top = `${y + 14}px`;
  }

  function outline(scale) {
    box.hidden = !selected;
    if (!selected) return;
    // The details stay with what they are about.
    const { row, i } = selected;
    const [low, thickness] = picture.lies(row, i);
    const x = (row.start[i] - view.from) * scale;
    const margin = row.kind[i] >= FIRST_INSTANT ? 6 : 2;
    const x0 = Math.max(-3, x - margin);
    const x1 = Math.min(picture.width + 3, (row.end[i] - view.from) * scale + margin);
    box.hidden = x1 <= x0;
    box.style.left = `${picture.left + x0}px`;
    box.style.width = `${x1 - x0}px`;
    box.style.top = `${row.y + low - 3}px`;
    box.style.height = `${thickness + 6}px`;
    putTip(Math.min(Math.max(0, x), picture.width), row.y + row.height - 8);
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
    }
    picture.request();
  }

  // The next span in this row, or the one nearest to the same time in another.
  function step(by) {
    if (!selected) return enter(picture.shown.find((row) => row.start.length > 0), (view.from + view.to) / 2);
    const i = selected.i + by;
    if (i >= 0 && i < selected.row.start.length) select({ row: selected.row, i });
    return undefined;
  }

  function changeRow(by) {
    if (!selected) return step(0);
    let at = picture.shown.indexOf(selected.row) + by;
    while (picture.shown[at] && picture.shown[at].start.length === 0) at += by;
    return picture.shown[at] && enter(picture.shown[at], selected.row.start[selected.i]);
  }

  function enter(row, time) {
    if (!row) return;
    const i = Math.min(lowerBound(row.start, time), row.start.length - 1);
    const earlier = i > 0 && time - row.start[i - 1] < row.start[i] - time;
    select({ row, i: earlier ? i - 1 : i });
    elements.get(row.index).scrollIntoView({ block: "nearest" });
  }

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
      pan((sideways * unit) / picture.width);
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
      pan((before - x) / picture.width);
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
      const what = hit(event.offsetX, event.offsetY + picture.top);
      select(what);
      if (what && what.mark) putTip(event.offsetX, event.offsetY + picture.top);
    }
  }
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", () => pinned || tip.replaceChildren());
  canvas.addEventListener("dblclick", (event) => zoom(4, timeAt(event.offsetX)));

  function hover(x, y) {
    if (pinned) return;
    const what = hit(x, y + picture.top);
    canvas.classList.toggle("over", Boolean(what));
    describe(what);
    if (what) putTip(x, y + picture.top);
  }

  // Shows a stretch of time in one row.
  function show(index, from, to) {
    if (elements.get(index).classList.contains("quiet")) expand();
    const margin = Math.max((to - from) * 0.25, 2000);
    setView(from - margin, to + margin);
    const element = elements.get(index);
    element.scrollIntoView({ block: "center" });
    for (const each of plot.querySelectorAll(".here")) each.classList.remove("here");
    element.classList.add("here");
    canvas.focus({ preventScroll: true });
  }

  function expand() {
    plot.classList.add("all");
    document.getElementById("more")?.remove();
    picture.layout();
  }

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
  if (more) {
    const all = add(more, "button", "Show all rows");
    all.type = "button";
    all.addEventListener("click", expand);
  }

  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "Timeline");
  canvas.setAttribute("aria-describedby", "plot-help");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  box.className = "box";
  plot.append(box, tip);
  plot.classList.add("live");

  picture.layout();
  tellRange();
  new ResizeObserver(picture.layout).observe(plot);
  addEventListener("scroll", picture.follow, { passive: true });
  for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
    matchMedia(query).addEventListener("change", () => {
      picture.readColours();
      picture.request();
    });
  }

  // By the other clock.
  function retell() {
    select(null);
    tellRange();
    picture.request();
  }

  return { show, retell, view, origin: data.start, length: data.length, frame: picture.frame };
})();
