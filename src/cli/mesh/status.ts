import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { apiClient } from "./api_client.ts";
import type { MeshStatusFlags } from "./options.ts";

interface RingFacts {
  readonly node: string;
  readonly cluster: string;
  readonly host: string;
  readonly zone: string;
  readonly roles: readonly string[];
  readonly certificateEnds: string;
  readonly seconds: number;
}

interface HealthFacts {
  readonly ring: string;
  readonly core: string;
  readonly copies: number;
}

interface MemberFacts {
  readonly node: string;
  readonly host: string;
  readonly zone: string;
  readonly roles: readonly string[];
  readonly address: string;
}

/** Tells about a running node and its cluster. @throws {TtunError} */
export async function runMeshStatus(
  options: MeshStatusFlags,
  context: RunContext,
): Promise<number> {
  const client = await apiClient(options, context);
  const [ring, health, { members }] = await Promise.all([
    client.json<RingFacts>("GET", "/v1/ring"),
    client.json<HealthFacts>("GET", "/v1/health"),
    client.json<{ members: MemberFacts[] }>("GET", "/v1/members"),
  ]);
  if (options.json) {
    await print(`${JSON.stringify({ ...ring, health, members }, null, 2)}\n`, context.signal);
    return 0;
  }
  const lines = [
    `node         ${ring.node.slice(0, 12)} on ${ring.host}${ring.zone && ` in ${ring.zone}`}, ` +
    ring.roles.join(", "),
    `cluster      ${ring.cluster.slice(0, 12)}`,
    `ring         ${health.ring}, ${health.copies} ${health.copies === 1 ? "copy" : "copies"}`,
    `core         ${health.core}`,
    `certificate  until ${ring.certificateEnds.slice(0, 16).replace("T", " ")} UTC`,
    ...members.map((m, i) =>
      `${i === 0 ? "members" : "       "}      ${m.node.slice(0, 12)} on ${m.host}` +
      `${m.zone && ` in ${m.zone}`}, ${m.roles.join(", ")}${m.address && `, ${m.address}`}`
    ),
  ];
  await print(lines.map((line) => `${line}\n`).join(""), context.signal);
  return 0;
}
