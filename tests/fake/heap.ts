import v8 from "node:v8";
import vm from "node:vm";

let collect: (() => void) | null = null;

/** Bytes of arrays that are still reachable: after a collection of garbage, so the same each time. */
export function arrayBytes(): number {
  if (collect === null) {
    v8.setFlagsFromString("--expose-gc");
    collect = vm.runInNewContext("gc") as () => void;
  }
  collect();
  collect(); // what the first one found only finalized
  return Deno.memoryUsage().external;
}
