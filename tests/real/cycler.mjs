// cycler.mjs KEY CYCLES SESSION.jsonl…: takes and releases the real lock of each session as fast as it can,
// CYCLES times. Now and then it holds for a moment, or rests.
import { load } from "./lockcode.mjs";
import { sleep } from "./gateway.mjs";

const [key, cycles, ...sessions] = process.argv.slice(2);
const code = await load(key);
await Promise.all(sessions.map(async (session) => {
  for (let n = 0; n < Number(cycles); n++) {
    const held = await code.acquire(session, 10_000);
    if (n % 3 === 0) await sleep(Math.random() * 2);
    await held.release();
    if (n % 7 === 0) await sleep(Math.random() * 2);
  }
}));
console.log(JSON.stringify({ event: "done" }));
process.exit();
