/** A program of its own that opens and configures a device (tests/fixture/device.ts). */
import type { DeviceOrder, DeviceResult } from "./fixture/device.ts";
import type { Host, Process } from "./netns.ts";

const FIXTURE = new URL("./fixture/device.ts", import.meta.url).pathname;

type Opened = Extract<DeviceResult, { name: string }>;
type Refused = Extract<DeviceResult, { kind: string }>;

/** Starts it and waits for its answer; `before` is shell code of a mount namespace of its own. */
async function start(
  host: Host,
  order: DeviceOrder,
  before: string,
): Promise<{ process: Process; result: DeviceResult }> {
  const script = `${before}\nexec "$@"`;
  const command = [Deno.execPath(), "run", "-A", FIXTURE, JSON.stringify(order)];
  const process = host.spawn("unshare", ["-m", "sh", "-euc", script, "sh", ...command], {
    stdin: "piped",
  });
  const [line] = await process.waitFor(/^\{.*\}$/m);
  return { process, result: JSON.parse(line) };
}

/** @throws {Error} when it is refused */
export async function openInChild(
  host: Host,
  order: DeviceOrder,
  before = "",
): Promise<Opened & { process: Process }> {
  const { process, result } = await start(host, order, before);
  if ("name" in result) return { ...result, process };
  await process.status;
  throw new Error(`Refused: ${result.kind}: ${result.message}`);
}

/** @throws {Error} when it is not refused */
export async function refusedInChild(
  host: Host,
  order: DeviceOrder,
  before = "",
): Promise<Refused> {
  const { process, result } = await start(host, order, before);
  if ("name" in result) await process[Symbol.asyncDispose]();
  await process.status;
  if ("kind" in result) return result;
  throw new Error(`Opened ${result.name}, which was to be refused`);
}

/** Lets it take back what it has set, and waits for its end. */
export async function endChild({ process }: { process: Process }): Promise<void> {
  await process.closeInput();
  const { code } = await process.status;
  if (code !== 0) throw new Error(`Ended with code ${code}:\n${process.output}`);
}
