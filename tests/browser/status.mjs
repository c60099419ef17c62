// The status page in a real browser: `node status.mjs CHROMIUM ADDRESS DIRECTORY`. Prints a line a check, leaves
// pictures in DIRECTORY, and exits 1 if a check failed. tests/suite/watch/page.rs runs the daemon, and kills
// the holder of a lock at the line that asks for it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [executablePath, address, directory] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const desktop = { viewport: { width: 1100, height: 900 } };
const phone = { viewport: { width: 375, height: 812 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
const PATIENCE = { timeout: 60_000 };
let failures = 0;

function check(name, passed, detail = "") {
  if (!passed) failures++;
  console.log(`${passed ? "ok" : "FAILED"}: ${name}${passed || !detail ? "" : `: ${detail}`}`);
}

const browser = await chromium.launch({
  executablePath,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});

async function open(label, options, look) {
  // axe is put into the page from outside, which its policy rightly forbids.
  const context = await browser.newContext({ ...options, bypassCSP: true });
  const page = await context.newPage();
  const noise = [], elsewhere = [];
  page.on("console", (message) => noise.push(message.text()));
  page.on("pageerror", (error) => noise.push(error.message));
  page.on("request", (request) => request.url().startsWith(address) || request.url().startsWith("data:") || elsewhere.push(request.url()));
  await page.goto(address);
  await page.waitForFunction(() => document.querySelectorAll(".lock").length > 0, null, PATIENCE);
  await look(page, noise);
  check(`${label}: no console output`, noise.length === 0, noise.join(" | "));
  check(`${label}: nothing asked of anybody else`, elsewhere.length === 0, elsewhere.join(" "));
  await context.close();
}

async function audit(page, label) {
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => axe.run({ resultTypes: ["violations"] }));
  const told = violations.map((each) => `${each.id} ${each.nodes.map((node) => node.html.slice(0, 120)).slice(0, 3).join(" ; ")}`);
  check(`${label}: axe finds nothing (${passes.length} rules passed)`, violations.length === 0, told.join(" | "));
}

for (const colorScheme of ["light", "dark"]) {
  for (const [device, options] of [["desktop", desktop], ["phone", phone]]) {
    const label = `${device}, ${colorScheme}`;
    await open(label, { ...options, colorScheme }, async (page) => {
      check(`${label}: no horizontal scroll`, await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
      check(`${label}: nothing from outside ran`, await page.evaluate(() => window.owned === undefined));
      check(`${label}: no number of anybody`, !(await page.locator("body").innerText()).includes("4915112345678"));
      await audit(page, label);
      await page.screenshot({ path: `${directory}/status-${colorScheme}-${device}.png`, fullPage: true });
      await page.locator("details").evaluateAll((all) => all.forEach((each) => (each.open = true)));
      await audit(page, `${label}, opened`);
    });
  }
}

await open("clicking", desktop, async (page) => {
  const rows = () => page.locator(".lock").count();
  const headline = () => page.locator("#headline").innerText();
  const all = await rows();
  await page.getByRole("button", { name: "Need attention" }).click();
  const sick = await rows();
  check("only what needs attention is left", sick > 0 && sick < all, `${sick} of ${all}`);
  await page.getByRole("button", { name: "All", exact: true }).click();
  check("and all come back", (await rows()) === all);

  await page.keyboard.press("/");
  await page.keyboard.type("telegram");
  check("a filter leaves what it names", (await rows()) === 1, `${await rows()} of ${all}`);
  await page.keyboard.press("Escape");
  check("and Escape brings the rest back", (await rows()) === all);
  const details = page.locator(".lock").first();
  await details.locator("summary").press("Enter");
  check("a lock opens by the keyboard", await details.evaluate((each) => each.open));
  await page.waitForTimeout(2500);
  check("and stays open while the page is renewed", await details.evaluate((each) => each.open));
  check("lanes are there", (await page.locator("#lanes [role=row]").count()) > 2);
  check("leases are there", (await page.locator("#leases li").count()) > 0);
  check("causes come with what to do", (await page.locator("#causes .do").first().innerText()).length > 0);
  const acts = await page.locator("#acts li").count();
  console.log("kill the holder");
  await page.waitForFunction((before) => document.querySelectorAll("#acts li").length > before, acts, PATIENCE);
  check("a reclaim appears by itself", true);
  check("the headline says who gets no answer", /no answer|in trouble/.test(await headline()), await headline());
  check("the icon has the colour of the banner", (await page.locator("#icon").getAttribute("href")).startsWith("data:image/svg"));
  check("and so does the title", (await page.title()).includes(await headline()));
});

// Its console says that requests fail, so it is looked at without `open`.
const context = await browser.newContext(desktop);
const page = await context.newPage();
await page.goto(address);
await page.waitForFunction(() => document.querySelectorAll(".lock").length > 0, null, PATIENCE);
await page.route("**/status.json", (route) => route.abort());
await page.locator("#offline").waitFor(PATIENCE);
check("a daemon that does not answer is said to", (await page.locator("#headline").innerText()).includes("does not answer"));
check("in the title too", (await page.title()).startsWith("?"));
await page.unroute("**/status.json");
await page.locator("#offline").waitFor({ state: "hidden", ...PATIENCE });
check("and when it is back, no more", true);
await browser.close();
process.exit(failures === 0 ? 0 : 1);
