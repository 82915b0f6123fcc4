import { toTtunError } from "../base/errors.ts";
import { closeDebugger, refuseDebugger } from "./platform/debugger.ts";
import { load } from "./plane/load.ts";

/**
 * Runs ttun with the arguments of its command line and returns the exit code. It imports next to
 * nothing, so that the debugger is closed as early as possible; the rest is loaded afterwards.
 */
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
