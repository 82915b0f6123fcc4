import assert from "node:assert/strict";
import type { Host } from "../netns.ts";
import type { Process } from "./proxy_pair.ts";
import { hashOfBulk } from "./proxy_web.ts";

/**
 * Runs a script that prints the hash of bulk which it downloads, while the host's address, 192.0.2.2
 * at first, changes twice. `client`: ttun there, whose session goes on each time.
 */
export async function downloadWhileMoving(
  host: Host,
  client: Process,
  script: string,
  size: number,
): Promise<void> {
  await using download = host.spawn("sh", ["-c", script]);
  for (let i = 3; i <= 4; i++) {
    const from = client.lineCount;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await host.sh(`
      ip addr del 192.0.2.${i - 1}/24 dev veth0
      ip addr add 192.0.2.${i}/24 dev veth0`);
    await client.waitFor(/session goes on/, 20_000, from);
  }
  await download.status;
  assert.equal(download.stdout, `${hashOfBulk(size)}  -\n`, download.stderr);
}
