/** Strangers: prober.ts HOST PORT COUNT SECONDS. Each sends 0 to 600 random bytes and goes away. */
const [hostname, port, count, seconds] = [
  Deno.args[0]!,
  Number(Deno.args[1]),
  Number(Deno.args[2]),
  Number(Deno.args[3]),
];
const PAUSE = 10;
const atOnce = Math.ceil(count / (seconds * 1000 / PAUSE));
let done = 0;
let begun = 0;

async function knock(): Promise<void> {
  try {
    using conn = await Deno.connect({ hostname, port });
    const bytes = crypto.getRandomValues(new Uint8Array(Math.floor(Math.random() * 601)));
    if (bytes.length > 0) await conn.write(bytes);
    await conn.closeWrite();
    done++;
  } catch {
    // A refusal is an answer too; the count below tells.
  }
}

console.log("begins");
const all: Promise<void>[] = [];
const began = performance.now();
while (begun < count) {
  const due = Math.min(count, Math.floor((performance.now() - began) / PAUSE) * atOnce);
  for (; begun < due; begun++) all.push(knock());
  await new Promise((resolve) => setTimeout(resolve, PAUSE));
}
await Promise.all(all);
const took = (performance.now() - began) / 1000;
console.log(`${done} of ${count} probes in ${took.toFixed(1)} s`);
