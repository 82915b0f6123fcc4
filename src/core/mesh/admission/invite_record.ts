import { encodeBase64Url } from "../../../base/base64url.ts";
import { toHex, utf8 } from "../../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../../base/errors.ts";
import { areAgentNames, isQuota } from "../../gateway/agent_names.ts";
import { readServiceKinds, SERVICE_KINDS, type ServiceKind } from "../../gateway/service_kinds.ts";
import { bytesField, type Fields, listField, numberField, readFields, textField } from "./json.ts";
import { NODE_ROLES, type NodeRole } from "../descriptor.ts";

/** The cluster's record of an invite, in `invite/<id>`: nobody can join by it alone. */
export interface InviteRecord {
  /** Of the token, which is a private key. */
  readonly publicKey: Uint8Array;
  /** Roles that the node may have. */
  readonly roles: readonly NodeRole[];
  /** The name that its host must have; "" = any. */
  readonly host: string;
  /** Milliseconds of wall-clock time. */
  readonly expires: number;
  /** Joins that are still possible; 0 = it is used. */
  readonly uses: number;
  /** Node ids (hex) of those that have joined by it: such a node may ask again, if its answer was lost. */
  readonly joined: readonly string[];
  /** It is for an agent, which publishes services, and for no node; null = it is for nodes. */
  readonly agent: AgentGrant | null;
  /** Id (hex) of the node that has made it. */
  readonly by: string;
}

/** Rights of an agent. */
export interface AgentGrant {
  /** Names that it may have; "*" = any that is free. */
  readonly names: readonly string[];
  /** How many names it may have at a time. */
  readonly quota: number;
  /** Kinds of services that it may publish. */
  readonly kinds: readonly ServiceKind[];
}

/** Milliseconds for which an invite holds unless it is said. */
export const INVITE_LIFETIME = 3600_000;

const WHAT = "an invite of the store";

export const INVITES = "invite/";

export function inviteKey(id: Uint8Array): string {
  return INVITES + toHex(id);
}

export function encodeInviteRecord(record: InviteRecord): Uint8Array {
  return utf8(JSON.stringify({ ...record, publicKey: encodeBase64Url(record.publicKey) }));
}

/** @throws {ProtocolError} */
export function decodeInviteRecord(bytes: Uint8Array): InviteRecord {
  const fields = readFields(bytes, WHAT);
  return {
    publicKey: bytesField(fields, "publicKey", WHAT, 32),
    roles: listField(
      fields,
      "roles",
      WHAT,
      (item) => NODE_ROLES.find((role) => role === item) ?? null,
    ),
    host: textField(fields, "host", WHAT),
    expires: numberField(fields, "expires", WHAT),
    uses: numberField(fields, "uses", WHAT),
    joined: listField(fields, "joined", WHAT, textOf),
    agent: fields["agent"] === undefined || fields["agent"] === null
      ? null
      : readAgentGrant(fields["agent"] as Fields),
    by: inviterField(fields, WHAT),
  };
}

/** Reads by whose invite a record has come about; "" = by none, or that of a ttun before it told. */
export function inviterField(fields: Fields, what: string): string {
  return fields["by"] === undefined ? "" : textField(fields, "by", what, 64);
}

/** @throws {ProtocolError} if names or quota are none */
export function readAgentGrant(fields: Fields): AgentGrant {
  const grant = {
    names: listField(fields, "names", WHAT, textOf),
    quota: numberField(fields, "quota", WHAT),
    kinds: kindsField(fields, WHAT),
  };
  if (areAgentNames(grant.names) && isQuota(grant.quota)) return grant;
  throw new ProtocolError(`Cannot read ${WHAT}: names or quota of an agent are none`);
}

/** Reads kinds of services; there were none to choose from in records of a ttun before. */
export function kindsField(fields: Fields, what: string): readonly ServiceKind[] {
  if (fields["kinds"] === undefined) return SERVICE_KINDS;
  const kinds = readServiceKinds(listField(fields, "kinds", what, textOf));
  if (kinds !== null) return kinds;
  throw new ProtocolError(`Cannot read ${what}: kinds of services are none`);
}

function textOf(item: unknown): string | null {
  return typeof item === "string" ? item : null;
}

/**
 * Returns the record after a node has joined by it; the same one if it had joined before.
 * @throws {TtunError} auth
 */
export function useInvite(
  record: InviteRecord,
  node: { readonly nodeId: Uint8Array; readonly host: string; readonly roles: readonly NodeRole[] },
  nowMs: number,
): InviteRecord {
  const id = toHex(node.nodeId);
  if (nowMs >= record.expires) throw refusal("it has expired");
  if (record.host !== "" && record.host !== node.host) {
    throw refusal(`it is for the host ${record.host}`);
  }
  const forbidden = node.roles.find((role) => !record.roles.includes(role));
  if (forbidden !== undefined) throw refusal(`it does not give the role ${forbidden}`);
  if (record.joined.includes(id)) return record;
  if (record.uses === 0) throw refusal("it has been used");
  return { ...record, uses: record.uses - 1, joined: [...record.joined, id] };
}

function refusal(why: string): TtunError {
  return new TtunError(
    "auth",
    `Cannot join by this invite: ${why}; ttun mesh invite makes another`,
  );
}
