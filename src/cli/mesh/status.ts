import type { CertificateReport } from "../../app/gateway/certificates/certificate_report.ts";
import { drawRing, ringDot, type RingReport } from "../../core/mesh/ring_report.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { load } from "../plane/load.ts";
import { isNode, nodeFolder } from "./node_folder.ts";
import { type ApiClient, apiClient } from "./api_client.ts";
import type { MeshStatusFlags } from "./options.ts";

interface NodeReport extends RingReport {
  readonly node: string;
  readonly cluster: string;
  readonly host: string;
  readonly zone: string;
  readonly roles: readonly string[];
  readonly certificateEnds: string;
  readonly revoked: number;
  /** Absent at a node of an earlier version. */
  readonly certificates?: readonly CertificateReport[];
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
  const text = await ofAgents(options, context.signal) ?? await ofNode(options, context);
  await print(text, context.signal);
  return 0;
}

/** A machine without a node may have agents; null = it has none, or the node of another is meant. */
async function ofAgents(options: MeshStatusFlags, signal: AbortSignal): Promise<string | null> {
  if (options.api !== undefined || options.dot || isNode(nodeFolder(options.data))) return null;
  const { agentStatus } = await load(() => import("../gateway/agent_status.ts"));
  return await agentStatus(options, signal);
}

async function ofNode(options: MeshStatusFlags, context: RunContext): Promise<string> {
  const client = await apiClient(options, context);
  const [ring, health, members] = await Promise.all([
    client.json<NodeReport>("GET", "/v1/ring"),
    client.json<HealthFacts>("GET", "/v1/health"),
    membersOf(client),
  ]);
  return options.json
    ? `${JSON.stringify({ ...ring, health, members }, null, 2)}\n`
    : options.dot
    ? ringDot(ring)
    : describe(ring, health, members).map((line) => `${line}\n`).join("");
}

/** Null while the core is not reached, which knows them. */
async function membersOf(client: ApiClient): Promise<readonly MemberFacts[] | null> {
  const { status, body } = await client.call("GET", "/v1/members");
  if (status !== 200) return null;
  const { members } = JSON.parse(new TextDecoder().decode(body)) as { members: MemberFacts[] };
  return members;
}

function describe(
  ring: NodeReport,
  health: HealthFacts,
  members: readonly MemberFacts[] | null,
): string[] {
  const zone = ring.zone === "" ? "" : ` in ${ring.zone}`;
  const copies = `${health.copies} ${health.copies === 1 ? "copy" : "copies"} of each record`;
  const offset = Math.abs(ring.clockOffsetMs) < 1000
    ? ""
    : `; this clock is ${Math.round(Math.abs(ring.clockOffsetMs) / 1000)} s ` +
      `${ring.clockOffsetMs > 0 ? "behind" : "ahead of"} the others`;
  const known = new Set(ring.nodes.map(({ id }) => id));
  const absent = members?.filter(({ node }) => !known.has(node)) ?? [];
  return [
    `node         ${ring.node.slice(0, 12)} on ${ring.host}${zone}, ${ring.roles.join(", ")}`,
    `cluster      ${ring.cluster.slice(0, 12)}` +
    (members === null
      ? ", whose members only the core knows"
      : `, ${members.length} member${members.length === 1 ? "" : "s"}`) +
    (ring.revoked === 0 ? "" : `, ${ring.revoked} revoked`),
    `ring         ${health.ring}, ${copies}${offset}`,
    `core         ${health.core}`,
    `records      ${ring.records} here, ${ring.bytes} bytes`,
    `certificate  until ${ring.certificateEnds.slice(0, 16).replace("T", " ")} UTC`,
    ...(ring.certificates ?? []).map((one) => `public       ${describeCertificate(one)}`),
    ...absent.map((m) => `not seen     ${m.node.slice(0, 12)} on ${m.host}, ${m.address}`),
    "",
    ...drawRing(ring),
  ];
}

function describeCertificate({ name, ends, failure }: CertificateReport): string {
  const time = ends === null
    ? "no certificate yet"
    : `until ${ends.slice(0, 16).replace("T", " ")} UTC`;
  return `${name}, ${time}${failure === null ? "" : `; ${failure}`}`;
}
