import { formatAddr, type HostPort, parseHostPort } from "../../../base/addr.ts";
import { utf8 } from "../../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../../base/errors.ts";
import type { Rng } from "../../../contract/host.ts";
import type { Entry, MeshStore } from "../../../contract/mesh_store.ts";
import type { Signer } from "../../../contract/signature.ts";
import { authorityHash } from "../../../core/mesh/admission/authority.ts";
import { formatInvite, INVITE_ID_SIZE } from "../../../core/mesh/admission/invite.ts";
import {
  decodeInviteRecord,
  encodeInviteRecord,
  inviteKey,
  inviterField,
  INVITES,
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
import { REVOKED } from "../../../core/mesh/admission/revocations.ts";
import { isPlaceName } from "../../../core/mesh/admission/node_certificate.ts";
import { NODE_ROLES, type NodeRole } from "../../../core/mesh/descriptor.ts";

const WHAT = "what the invite is to be";

/** Milliseconds that an invite may hold. */
const LONGEST = 30 * 24 * 3600_000;

/** Nodes that one without the role core may have let in, its invites that are not used counted as such. */
const MOST_LET_IN = 16;

/** A node that invites. */
export interface Inviter {
  /** Id in hex. */
  readonly node: string;
  /** Roles that it may give; null = all, and to as many as it likes. */
  readonly roles: readonly NodeRole[] | null;
}

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
  readonly by: Inviter;
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
  const agent = fields["agent"] === undefined ? null : readAgentGrant(fields["agent"] as Fields);
  await requireRight(tools, { roles, uses: agent === null ? uses : 0 }, signal);
  const [id, token] = [tools.rng(INVITE_ID_SIZE), tools.rng(32)];
  const expires = Math.floor((tools.now() + lifetime) / 1000);
  const record = {
    publicKey: tools.signerOf(token).publicKey,
    roles: NODE_ROLES.filter((role) => roles.includes(role)),
    host,
    expires: expires * 1000,
    uses,
    joined: [],
    agent,
    by: tools.by.node,
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

/** A stolen node, which has its own certificate, must not fill the ring. @throws {TtunError} auth, usage */
async function requireRight(
  { store, by }: InviteTools,
  /** `uses`: by nodes. */
  wish: { readonly roles: readonly NodeRole[]; readonly uses: number },
  signal: AbortSignal,
): Promise<void> {
  if (by.roles === null) return;
  const missing = wish.roles.find((role) => by.roles?.includes(role) === false);
  if (missing !== undefined) {
    throw new TtunError(
      "auth",
      `Cannot invite at this node with the role ${missing}, which it has not itself: leave that out of ` +
        "--roles, or run the command at a node with the role core",
    );
  }
  if (wish.uses === 0) return;
  let count = wish.uses;
  for (const member of await listMembers(store, signal)) if (member.by === by.node) count++;
  for await (const { value } of entriesOf(store, INVITES, signal)) {
    const { by: maker, agent, uses } = decodeInviteRecord(value);
    if (maker === by.node && agent === null) count += uses;
  }
  if (count <= MOST_LET_IN) return;
  throw new TtunError(
    "usage",
    `Cannot invite at this node: it may let in ${MOST_LET_IN} others; run the command at a node with ` +
      "the role core",
  );
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

/** The outcome of a revocation; ids in hex. */
export interface Revoked {
  readonly node: string;
  /** Nodes and agents that have come by its invites, or by theirs; they are revoked too if that was asked. */
  readonly invited: readonly string[];
}

/**
 * Revokes the only member whose id begins so, with the invites that it has made. `withInvited`: and all
 * that it has let in. @throws {TtunError} usage
 */
export async function revokeMember(
  start: string,
  { store, now, withInvited = false }: Pick<InviteTools, "store" | "now"> & {
    readonly withInvited?: boolean;
  },
  signal: AbortSignal,
): Promise<Revoked> {
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
  const node = found.key.slice(found.key.lastIndexOf("/") + 1);
  const self = { key: found.key, node, by: inviterOf(found) };
  const shutOut = async (one: Invited) => {
    const words = utf8(JSON.stringify({ at: now(), by: one.by }));
    await store.put(`${REVOKED}${one.node}`, words, { signal });
  };
  // First of all, so that it makes no invites while others are looked for.
  await shutOut(self);
  const invited = await invitedBy(node, store, signal);
  const others = withInvited ? invited : [];
  for (const one of others) await shutOut(one);
  const ids = new Set([node, ...others.map((one) => one.node)]);
  for await (const { key, value } of entriesOf(store, INVITES, signal)) {
    if (ids.has(decodeInviteRecord(value).by)) await store.delete(key, { signal });
  }
  // The member goes last: until then the command can be repeated.
  for (const { key } of [...others, self]) await store.delete(key, { signal });
  return { node, invited: invited.map((one) => one.node) };
}

interface Invited {
  /** Of its record. */
  readonly key: string;
  readonly node: string;
  readonly by: string;
}

/** Returns the nodes and agents that have come by a node's invites, and by those of such nodes. */
async function invitedBy(start: string, store: MeshStore, signal: AbortSignal): Promise<Invited[]> {
  const all: Invited[] = [];
  // Those that are revoked already may have let in others before.
  for (const prefix of [MEMBERS, AGENTS, REVOKED]) {
    for await (const entry of entriesOf(store, prefix, signal)) {
      all.push({ key: entry.key, node: entry.key.slice(prefix.length), by: inviterOf(entry) });
    }
  }
  const known = new Set([start]);
  for (let before = 0; before < known.size;) {
    before = known.size;
    for (const { node, by } of all) if (known.has(by)) known.add(node);
  }
  return all.filter(({ key, node }) => {
    return known.has(node) && node !== start && !key.startsWith(REVOKED);
  });
}

/** Reads by whose invite a member, an agent, or one that is revoked has come; "" = it is not told. */
function inviterOf({ value }: Entry): string {
  try {
    return inviterField(readFields(value, "a record of the store"), "it");
  } catch (error) {
    if (error instanceof ProtocolError) return ""; // a revocation has the words of whoever made it
    throw error;
  }
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
