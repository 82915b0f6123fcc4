import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "../../../../tests/check.ts";
import { openCoreFile } from "../../../io/mesh/core_file.ts";

const WRITER = new URL("../../../../tests/fixture/mesh_core_writer.ts", import.meta.url).pathname;
const LOCK = new URL("../../../../tests/deno.lock", import.meta.url).pathname;

/** Lets a process write until it has acknowledged `lines` writes, and kills it in the middle. */
async function killedWriter(path: string, round: number, lines: number): Promise<string[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `--lock=${LOCK}`, WRITER, path, String(round)],
    stdout: "piped",
    stderr: "inherit",
    stdin: "null",
  }).spawn();
  let text = "";
  let isKilled = false;
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (!isKilled && text.split("\n").length > lines) {
      child.kill("SIGKILL");
      isKilled = true;
    }
  }
  equal((await child.status).signal, "SIGKILL");
  return text.split("\n").slice(0, -1); // a line that was cut was not told
}

test("core file: of a process that is killed at any moment nothing acknowledged is lost", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ttun-kill-" });
  try {
    const path = `${folder}/core.db`;
    const known = new Map<string, number>();
    let last = 0;
    for (const [round, lines] of [3, 60, 151, 400].entries()) {
      for (const line of await killedWriter(path, round, lines)) {
        const [key, rev] = line.split(" ") as [string, string];
        known.set(key.replace("-", ""), key.startsWith("-") ? -Number(rev) : Number(rev));
        last = Math.max(last, Number(rev));
      }
      const { disk, state } = await openCoreFile(path, { create: false });
      await disk[Symbol.asyncDispose]();
      ok(state.revision >= last, `${state.revision} is before ${last}`);
      const changes = state.changes.map(({ rev }) => rev);
      deepEqual(changes, Array.from({ length: state.revision }, (_, i) => i + 1));
      const rows = new Map(state.rows.map((row) => [row.key, row.rev]));
      let unanswered = 0;
      for (const [key, rev] of known) {
        const found = rows.get(key) ?? -1;
        if (rev > 0 ? found === rev : found < 0) continue;
        ok(found > Math.abs(rev) || state.revision > rev, `${key}: ${found} instead of ${rev}`);
        unanswered++;
        known.set(key, found);
      }
      // Each of the four writers had one write on its way, which is there or not.
      ok(unanswered <= 4, `${unanswered} keys are not as they were acknowledged`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
