
// Buttons that only make sense with a script.
for (const block of document.querySelectorAll(".copyable")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const text = block.querySelector("pre");
    button.textContent = (await copy(text)) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  block.append(button);
}

// Pages opened from a file have no clipboard in some browsers; then the text is selected, ready to be copied.
async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
}

if (timeline) {
  for (const button of document.querySelectorAll("button.show")) {
    const { row, from, to } = button.dataset;
    const start = from === "" ? 0 : Number(from) - timeline.origin;
    const end = to === "" ? timeline.length : Number(to) - timeline.origin;
    button.addEventListener("click", () => timeline.show(Number(row), start, end));
    button.hidden = false;
  }
}
