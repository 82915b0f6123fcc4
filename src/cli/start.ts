import { toTtunError } from "../base/errors.ts";
import { closeDebugger, refuseDebugger } from "./platform/debugger.ts";
import { load } from "./plane/load.ts";

/** Imports next to nothing, so that the debugger is closed as early as possible. */
export async function start(args: readonly string[]): Promise<number> {
  try {
    const usr1 = closeDebugger();
    const { run } = await load(() => import("./run.ts"));
    refuseDebugger();
    return await run(args, undefined, undefined, usr1);
  } catch (thrown) {
    const error = toTtunError(thrown);
    Deno.stderr.writeSync(new TextEncoder().encode(`ttun: ${error.message}\n`));
    return error.exitCode;
  }
}
