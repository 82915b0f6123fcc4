import { formatAddr, type HostPort, parseHostPort } from "../../../base/addr.ts";
import { ProtocolError, TtunError } from "../../../base/errors.ts";
import type { Rng } from "../../../contract/host.ts";
import type { Entry, MeshStore } from "../../../contract/mesh_store.ts";
import type { Signer } from "../../../contract/signature.ts";
import { authorityHash } from "../../../core/mesh/admission/authority.ts";
import { formatInvite, INVITE_ID_SIZE } from "../../../core/mesh/admission/invite.ts";
import {
  encodeInviteRecord,
  inviteKey,
  readAgentGrant,
} from "../../../core/mesh/admission/invite_record.ts";
import {
  type Fields,
  listField,
  numberField,
  readFields,
  textField,
} from "../../../core/mesh/admission/json.ts";
import {
  type AgentRecord,
  AGENTS,
  decodeAgent,
} from "../../../core/mesh/admission/agent_record.ts";
import { decodeMember, type Member, MEMBERS } from "../../../core/mesh/admission/member.ts";
import { isPlaceName } from "../../../core/mesh/admission/node_certificate.ts";
import { NODE_ROLES } from "../../../core/mesh/descriptor.ts";

const WHAT = "what the invite is to be";

/** Milliseconds that an invite may hold. */
const LONGEST = 30 * 24 * 3600_000;

export interface InviteTools {
  readonly store: MeshStore;
  readonly rng: Rng;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Public key of the authority that signs. */
  readonly authority: () => Uint8Array;
  /** Where this node takes machines that join; null = nowhere. */
  readonly joinAt: () => HostPort | null;
  /** Makes the signer of 32 secret bytes. */
  readonly signerOf: (seed: Uint8Array) => Signer;
}

/** Makes an invite by a wish in JSON, and returns its text. @throws {TtunError} */
export async function makeInvite(
  wish: Uint8Array,
  tools: InviteTools,
  signal: AbortSignal,
): Promise<string> {
  const fields = readFields(wish, WHAT);
  const host = textField(fields, "host", WHAT);
  const roles = listField(
    fields,
    "roles",
    WHAT,
    (one) => NODE_ROLES.find((r) => r === one) ?? null,
  );
  const [lifetime, uses] = [
    numberField(fields, "lifetimeMs", WHAT),
    numberField(fields, "uses", WHAT),
  ];
  if ((host !== "" && !isPlaceName(host)) || lifetime < 1000 || lifetime > LONGEST || uses < 1) {
    throw new ProtocolError(`Cannot read ${WHAT}`);
  }
  const [id, token] = [tools.rng(INVITE_ID_SIZE), tools.rng(32)];
  const expires = Math.floor((tools.now() + lifetime) / 1000);
  const record = {
    publicKey: tools.signerOf(token).publicKey,
    roles: NODE_ROLES.filter((role) => roles.includes(role)),
    host,
    expires: expires * 1000,
    uses,
    joined: [],
    agent: fields["agent"] === undefined ? null : readAgentGrant(fields["agent"] as Fields),
  };
  await tools.store.put(inviteKey(id), encodeInviteRecord(record), {
    signal,
    if: "absent",
    ttlMs: lifetime,
  });
  // Agents come to gateways.
  const seeds = record.agent !== null ? [] : await seedsOf(tools, signal);
  return formatInvite({
    id,
    token,
    authorityHash: authorityHash(tools.authority()),
    expires,
    seeds,
  });
}

/** This node first, then others. @throws {TtunError} usage, if there is none */
async function seedsOf(
  { store, joinAt }: InviteTools,
  signal: AbortSignal,
): Promise<readonly HostPort[]> {
  const own = joinAt();
  const members = await listMembers(store, signal);
  const places = [...own === null ? [] : [formatAddr(own)], ...members.map((one) => one.joinAt)];
  const seeds = [...new Set(places)].map(readPlace).filter((place) => place !== null);
  if (seeds.length > 0) return seeds;
  throw new TtunError("usage", "Cannot invite: no node tells where machines may join");
}

/** Null for an address that none can connect with. */
function readPlace(text: string): HostPort | null {
  try {
    return parseHostPort(text);
  } catch (error) {
    if (error instanceof TtunError) return null;
    throw error;
  }
}

/** Revokes the only member whose id begins so; returns its whole id. @throws {TtunError} usage */
export async function revokeMember(
  start: string,
  { store, now }: Pick<InviteTools, "store" | "now">,
  signal: AbortSignal,
): Promise<string> {
  const members = await store.list(MEMBERS + start, { signal, limit: 2 });
  const agents = await store.list(AGENTS + start, { signal, limit: 2 });
  const [found, other] = [...members.entries, ...agents.entries];
  if (found === undefined || other !== undefined) {
    throw new TtunError(
      "usage",
      found === undefined
        ? `Cannot revoke ${start}: there is no such node or agent`
        : `Cannot revoke ${start}: more than one id begins so`,
    );
  }
  const id = found.key.slice(found.key.lastIndexOf("/") + 1);
  const words = new TextEncoder().encode(JSON.stringify({ at: now() }));
  // The member goes last: until then the command can be repeated.
  await store.put(`revoked/${id}`, words, { signal });
  await store.delete(found.key, { signal });
  return id;
}

/** Returns all members as JSON has them. */
export async function listMembers(
  store: MeshStore,
  signal: AbortSignal,
): Promise<(Member & { readonly node: string })[]> {
  const members: (Member & { readonly node: string })[] = [];
  for await (const { key, value } of entriesOf(store, MEMBERS, signal)) {
    members.push({ node: key.slice(MEMBERS.length), ...decodeMember(value) });
  }
  return members;
}

/** Returns all agents as JSON has them. */
export async function listAgents(
  store: MeshStore,
  signal: AbortSignal,
): Promise<(AgentRecord & { readonly agent: string })[]> {
  const agents: (AgentRecord & { readonly agent: string })[] = [];
  for await (const { key, value } of entriesOf(store, AGENTS, signal)) {
    agents.push({ agent: key.slice(AGENTS.length), ...decodeAgent(value) });
  }
  return agents;
}

async function* entriesOf(
  store: MeshStore,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<Entry> {
  let after: string | undefined;
  do {
    const page = await store.list(prefix, {
      signal,
      limit: 500,
      ...(after !== undefined && { after }),
    });
    yield* page.entries;
    after = page.next;
  } while (after !== undefined);
}

/** Counts the members, and those that have a generation of authorities and secrets. */
export async function countGeneration(
  store: MeshStore,
  generation: number,
  signal: AbortSignal,
): Promise<{ readonly have: number; readonly members: number }> {
  const members = await listMembers(store, signal);
  const have = members.filter((member) => member.generation >= generation).length;
  return { have, members: members.length };
}
