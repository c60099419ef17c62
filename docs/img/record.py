#!/usr/bin/env python3
"""Makes the pictures in docs/img, from a real terminal (tmux), a real browser (Chromium) and real processes.

    docs/img/record.py target/release/lockdoctor

A throw-away install of OpenClaw 2026.5.22 at 3 a.m.: one lock that the gateway forgot and that fails messages, one that
was left behind, one run past its limit, three runs at work. Then what a person types, and what they see. It all happens
in namespaces of its own, as root, so that nothing else on this machine is in the picture.
"""

import datetime
import html
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import unicodedata

HERE = pathlib.Path(__file__).resolve().parent
HOME = pathlib.Path("/home/node")
COLUMNS, LINES = 92, 60
COLOURS = {31: "bad", 33: "warn", 32: "good", 36: "link"}


class Night:
    """The install, and the process that holds its locks as a gateway does."""

    CHATS = [
        ("main", "telegram:direct:12345678"), ("neo", "main"), ("sales", "whatsapp:direct:+4915112345432"),
        ("main", "slack:channel:c024be91l"), ("sales", "discord:channel:1465000000000000001"), ("neo", "hook:mail"),
    ]

    def __init__(self, binary):
        self.home = HOME
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir()
        state = self.home / ".openclaw"
        state.mkdir()
        (state / "openclaw.json").write_text('{"meta": {"lastTouchedVersion": "2026.5.22"}}')
        self.gateway = subprocess.Popen([binary, "demo-actor", "--title", "openclaw-gateway"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}, text=True, cwd="/")
        locks = []
        for at, (agent, rest) in enumerate(self.CHATS):
            sessions = state / "agents" / agent / "sessions"
            sessions.mkdir(parents=True, exist_ok=True)
            name = f"5dd6c97c-7d95-47ad-b732-08084000000{at}"
            store = sessions / "sessions.json"
            known = json.loads(store.read_text()) if store.exists() else {}
            store.write_text(json.dumps({**known, f"agent:{agent}:{rest}": {"sessionId": name}}))
            (sessions / f"{name}.jsonl").touch()
            locks.append(sessions / f"{name}.jsonl.lock")
        (self.home / "tmp").mkdir()
        own = self.home / "tmp" / f"openclaw-{os.getuid()}"
        own.mkdir()
        self.tell("hold-gateway", lock=str(own / "gateway.0a1b2c3d.lock"), config=str(state / "openclaw.json"))
        self.tell("leak", lock=str(locks[0]))
        gone = subprocess.Popen(["true"])
        gone.wait()
        made = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=2)
        locks[1].write_text(json.dumps({"pid": gone.pid, "createdAt": made.isoformat().replace("+00:00", "Z")}, indent=2))
        self.tell("hold", lock=str(locks[2]), age=95 * 60)
        for lock in locks[3:]:
            self.tell("hold", lock=str(lock), age=40)
        time.sleep(0.05)
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        (state / "logs").mkdir()
        (state / "logs" / "gateway.log").write_text(
            f"{now} [diagnostic] lane task error: lane=session:agent:main:{self.CHATS[0][1]} durationMs=60014 "
            f"error=\"SessionWriteLockTimeoutError: session file locked (timeout 60000ms): pid={self.gateway.pid} "
            f"alive=true {locks[0]}\"\n")

    def tell(self, order, **what):
        self.gateway.stdin.write(json.dumps({order: what}) + "\n")
        self.gateway.stdin.flush()
        self.gateway.stdout.readline()

    def end(self):
        self.gateway.stdin.close()
        self.gateway.wait()
        shutil.rmtree(self.home)


class Terminal:
    """A real one, that nobody sees."""

    def __init__(self, binary, night, columns, lines):
        self.name = f"record-{os.getpid()}"
        places = {"HOME": str(night.home), "TMPDIR": str(night.home / "tmp"), "PATH": os.environ["PATH"],
                  "TERM": "xterm-256color", "LANG": "C.UTF-8", "PS1": "$ "}
        tool = night.home / "bin"
        tool.mkdir(exist_ok=True)
        if not (tool / "lockdoctor").exists():
            (tool / "lockdoctor").symlink_to(binary)
        places["PATH"] = f"{tool}:{places['PATH']}"
        words = ["env", "-i", *(f"{name}={value}" for name, value in places.items()), "bash", "--norc", "-i"]
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(lines), *words)
        time.sleep(0.5)

    def tmux(self, command, *rest):
        target = ["-s", self.name] if command == "new-session" else ["-t", self.name]
        done = subprocess.run(["tmux", "-u", "-L", self.name, command, *target, *rest], check=True, capture_output=True, text=True)
        return done.stdout

    def types(self, keys, seconds):
        self.tmux("send-keys", "-l", keys)
        self.tmux("send-keys", "Enter")
        time.sleep(seconds)

    def screen(self):
        return self.tmux("capture-pane", "-e", "-p").rstrip("\n").split("\n")

    def end(self):
        self.tmux("kill-session")


def spans(line):
    """The pieces of a line, each with the classes of its style."""
    bold = dim = inverse = False
    colour = None
    for styling, text in re.findall(r"((?:\x1b\[[0-9;]*m)*)([^\x1b]*)", line):
        for codes in re.findall(r"\x1b\[([0-9;]*)m", styling):
            for code in [int(code or 0) for code in codes.split(";")]:
                if code == 0:
                    bold, dim, inverse, colour = False, False, False, None
                elif code == 1:
                    bold = True
                elif code == 2:
                    dim = True
                elif code == 7:
                    inverse = True
                elif code in COLOURS:
                    colour = COLOURS[code]
                elif code == 39:
                    colour = None
                elif code == 22:
                    bold = dim = False
                elif code == 27:
                    inverse = False
        if text:
            yield text, [name for name, on in [("b", bold), ("d", dim), ("i", inverse), (colour, colour)] if on]


def columns(text):
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


STYLE = """
.t{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre;fill:#1f2328}
.f{fill:#f6f8fa;stroke:#d0d7de}.b{font-weight:700}.d{fill:#59636e}.bad{fill:#c0271c}.warn{fill:#8a5a00}.good{fill:#1a7037}
.link{fill:#0a5bb5}.i{fill:#fff}.bar{fill:#59636e}
.s{opacity:0;animation:s .01s forwards}@keyframes s{to{opacity:1}}
@media(prefers-reduced-motion:reduce){.s{animation:none;opacity:1}}
@media(prefers-color-scheme:dark){.t{fill:#e6edf3}.f{fill:#0d1117;stroke:#30363d}.d{fill:#9198a1}.bad{fill:#ff7b72}
.warn{fill:#e3b341}.good{fill:#56d364}.link{fill:#79c0ff}.i{fill:#0d1117}.bar{fill:#9198a1}}
"""


def picture(frames, width, title):
    """`frames`: lines and when they appear, in seconds."""
    wide, high = 8.43, 19
    rows, at = [], 0
    for lines, second in frames:
        texts = []
        for line in lines:
            x, y = 14, 26 + at * high
            at += 1
            for text, classes in spans(line):
                if "i" in classes:
                    texts.append(f'<rect class="bar" x="{x:.1f}" y="{y - 14}" width="{columns(text) * wide:.1f}" height="{high}"/>')
                    classes = ["i", *(name for name in classes if name == "b")]
                length = f' textLength="{columns(text) * wide:.1f}"' if text.strip() else ""
                if text.strip():
                    texts.append(f'<text class="{" ".join(["t", *classes])}" x="{x:.1f}" y="{y}"{length}>{html.escape(text)}</text>')
                x += columns(text) * wide
        shown = f' class="s" style="animation-delay:{second}s"' if second else ""
        rows.append(f"<g{shown}>{''.join(texts)}</g>")
    size = (round(width * wide + 28), at * high + 28)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" role="img"><title>{html.escape(title)}</title>'
            f"<style>{STYLE}</style><rect class=\"f\" x=\".5\" y=\".5\" width=\"{size[0] - 1}\" height=\"{size[1] - 1}\" rx=\"8\"/>"
            + "\n".join(rows) + "</svg>\n")


def screenshots(address, name, size):
    """A page in light and in dark."""
    for scheme, number in [("light", 1), ("dark", 0)]:
        subprocess.run(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                        "--force-device-scale-factor=1.5", f"--window-size={size}", "--virtual-time-budget=5000",
                        f"--blink-settings=preferredColorScheme={number}", f"--screenshot={HERE}/{name}-{scheme}.png",
                        address], check=True, capture_output=True, env={**os.environ, "HOME": "/tmp", "TZ": "UTC"})


def pages(binary, night):
    """The status page of a daemon, and the report."""
    places = {"HOME": str(night.home), "TMPDIR": str(night.home / "tmp"), "PATH": os.environ["PATH"]}
    daemon = subprocess.Popen([binary, "watch", "--listen", "127.0.0.1:19418", "--log-format", "text"], env=places,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(8)
        screenshots("http://127.0.0.1:19418/", "status", "1120,1000")
    finally:
        daemon.terminate()
        daemon.wait()
    page = night.home / "report.html"
    subprocess.run([binary, "report", "-o", str(page)], env=places, stdout=subprocess.DEVNULL)
    screenshots(f"file://{page}", "report", "1120,1000")


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    if os.environ.get("RECORDING") != "1":
        alone = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", sys.executable, *sys.argv]
        os.execvpe("unshare", alone, {**os.environ, "RECORDING": "1"})
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/home"], check=True)
    night = Night(binary)
    try:
        terminal = Terminal(binary, night, COLUMNS, LINES)
        terminal.tmux("send-keys", "-l", "clear")
        terminal.tmux("send-keys", "Enter")
        time.sleep(0.5)
        terminal.types("lockdoctor", 3)
        first = terminal.screen()
        terminal.types("lockdoctor reclaim --yes", 9)
        second = terminal.screen()[len(first) - 1:]
        terminal.end()
        prompt = lambda lines: lines[:-1] if lines and lines[-1].strip() in ("$", "") else lines
        first, second = prompt(first), prompt(second)
        frames = [(first[:1], 0.6), (first[1:] + [""], 1.8), (second[:1], 5), (second[1:], 7.5)]
        (HERE / "night.svg").write_text(picture(frames, COLUMNS, "lockdoctor says who gets no answer and what to type; reclaim frees the lock"))
    finally:
        night.end()
    night = Night(binary)
    try:
        terminal = Terminal(binary, night, COLUMNS, 20)
        terminal.types("lockdoctor watch", 4)
        lines = terminal.screen()
        terminal.tmux("send-keys", "q")
        terminal.end()
        (HERE / "watch.svg").write_text(picture([(lines, 0)], COLUMNS, "lockdoctor watch on a terminal"))
        pages(binary, night)
    finally:
        night.end()


if __name__ == "__main__":
    main()
