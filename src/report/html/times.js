
// Times stand in the page in UTC. The reader's own clock comes first, and UTC is a click away.
const times = (() => {
  let local = true;
  const offset = (at) => (local ? -60000 * new Date(at).getTimezoneOffset() : 0);
  // Milliseconds since the epoch as ISO 8601, by the clock that is shown.
  const iso = (at) => new Date(at + offset(at)).toISOString();
  const FORMS = {
    8: (text) => text.slice(11, 19),
    11: (text) => `${text.slice(5, 10)} ${text.slice(11, 16)}`,
    16: (text) => `${text.slice(0, 10)} ${text.slice(11, 16)}`,
    19: (text) => `${text.slice(0, 10)} ${text.slice(11, 19)}`,
  };
  function zone(at) {
    const minutes = Math.round(offset(at) / 60000);
    if (minutes === 0) return "UTC";
    const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
    return `UTC${minutes < 0 ? "−" : "+"}${hours}${rest ? `:${String(rest).padStart(2, "0")}` : ""}`;
  }

  const elements = [...document.querySelectorAll("time")];
  const written = elements.map((element) => element.textContent);
  const at = elements.map((element) => Date.parse(element.dateTime));
  const last = at.at(0) ?? Date.now();

  function tell() {
    elements.forEach((element, i) => {
      element.textContent = FORMS[written[i].length]?.(iso(at[i])) ?? written[i];
      element.title = local ? `${written[i]} UTC` : "";
    });
    for (const element of document.querySelectorAll(".zone")) element.textContent = zone(last);
  }

  // Whoever lives in UTC needs no choice.
  if (zone(last) !== "UTC") {
    const place = document.getElementById("zone");
    const button = document.createElement("button");
    const say = () => (button.textContent = local ? "Show UTC" : "Show local time");
    button.type = "button";
    button.addEventListener("click", () => {
      local = !local;
      tell();
      say();
      timeline?.retell();
    });
    say();
    place.append(button);
    place.hidden = false;
    tell();
  }
  return { iso, offset, zone: () => zone(last) };
})();
