/** ttun doctor on a path of three hosts, and its findings by the name of the check. */
import assert from "node:assert/strict";
import type { Host, Process } from "../netns.ts";
import { type RoutedPath, SERVER } from "./routed_path.ts";
import { ENV, startTtun, ttunCommand } from "./tunnel.ts";

export const AT = `${SERVER.v4}:20203`;

interface Found {
  readonly check: string;
  readonly level: string;
  readonly says: string;
  readonly mend?: string;
}

export async function allFindings(
  host: Host,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Found[]> {
  const [command, all] = ttunCommand("doctor", ...args, "--json");
  const { stdout, stderr } = await host.run(command, all, {
    env: { ...ENV, ...env },
    timeoutMs: 60_000,
  });
  assert.equal(stderr, "");
  return (JSON.parse(stdout) as { findings: Found[] }).findings;
}

/** Returns them by the names of their checks. */
export async function findings(...given: Parameters<typeof allFindings>) {
  return new Map((await allFindings(...given)).map((one) => [one.check, one]));
}

export async function startServer({ server }: RoutedPath, ...args: string[]): Promise<Process> {
  const process = startTtun(server, "server", "--no-warm-up", ...args);
  await process.waitFor(/ listening/, 30_000);
  return process;
}
