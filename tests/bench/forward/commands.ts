/**
 * Short connections by a process each: commands.ts WHAT NUMBER … COMMAND, where COMMAND connects its
 * standard input and output with the target (../proxy/target.ts). Prints what it has found as a line
 * of JSON. WHAT is one of
 *
 *     rate WORKERS SECONDS   as many as can be
 *     latency COUNT          one after the other
 */
import { requestOf } from "../proxy/dialogue.ts";
import { ANSWER, MESSAGE } from "../proxy/wire.ts";
import type { CommandsFound } from "./found.ts";

/** Until everything goes at full speed: what happens before does not count. */
const WARM_MS = 500;

/** Clock ticks of /proc in a second (USER_HZ). */
const TICKS = 100;

const REQUEST = requestOf(ANSWER, MESSAGE).send;

/** Starts a process, and waits for its end. @throws if the process does not answer as the target does */
async function connect([program, ...args]: readonly string[]): Promise<void> {
  const process = new Deno.Command(program!, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(REQUEST);
  let have = 0;
  for await (const bytes of process.stdout) {
    have += bytes.length;
    if (have === MESSAGE) await writer.close(); // upon which the target ends, and the process
  }
  await process.status;
  if (have !== MESSAGE) throw new Error(`${have} bytes came in place of ${MESSAGE}`);
}

/** CPU seconds of the processes that have ended: fields 16 and 17 of proc_pid_stat(5). */
function childrenSeconds(): number {
  const fields = Deno.readTextFileSync("/proc/self/stat").split(") ").at(-1)!.split(" ");
  return (Number(fields[16 - 3]) + Number(fields[17 - 3])) / TICKS;
}

async function rate(
  command: readonly string[],
  workers: number,
  seconds: number,
): Promise<CommandsFound> {
  let [done, failures, isOver] = [0, 0, false];
  const before = childrenSeconds();
  const running = Array.from({ length: workers }, async () => {
    while (!isOver) {
      try {
        await connect(command);
      } catch (error) {
        if (failures++ === 0) console.error(error);
      }
      done++;
    }
  });
  await pause(WARM_MS);
  const [from, began] = [done, performance.now()];
  await pause(seconds * 1000);
  const perSecond = (done - from) / (performance.now() - began) * 1000;
  isOver = true;
  await Promise.all(running);
  return { perSecond, all: done, failures, cpuSeconds: childrenSeconds() - before };
}

/** Milliseconds from the start of the process to its end. */
async function latency(command: readonly string[], count: number): Promise<number[]> {
  const times: number[] = [];
  while (times.length < count) {
    const began = performance.now();
    await connect(command);
    times.push(performance.now() - began);
  }
  return times;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const [what, ...rest] = Deno.args;
const found = what === "rate"
  ? await rate(rest.slice(2), Number(rest[0]), Number(rest[1]))
  : await latency(rest.slice(1), Number(rest[0]));
console.log(JSON.stringify(found));
