/** Names that systemd, udev and containers give to the links that a machine has by itself. */
const MACHINES_OWN = /^(eth|en|wl|ww|ib|br|bond|veth|virbr|docker)/;

/**
 * Tests of devices and addresses change the network that they run in.
 * @throws {Error} where that is the machine's own
 */
export function requireOwnNamespace(): void {
  const lines = Deno.readTextFileSync("/proc/self/net/dev").split("\n").slice(2);
  const link = lines.map((line) => line.trim()).find((line) => MACHINES_OWN.test(line));
  if (link === undefined) return;
  throw new Error(
    `This would change the machine's own network (it has ${link.split(":")[0]}): ` +
      `run it by \`deno task test:root\``,
  );
}
