import { encodeBase64Url } from "../../base/base64url.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import { ProtocolError, type TtunError } from "../../base/errors.ts";
import type { Signer, VerifySignature } from "../../contract/signature.ts";
import {
  bytesField,
  type Fields,
  listField,
  numberField,
  readFields,
  textField,
} from "../mesh/admission/json.ts";
import { refusalOf } from "../mesh/admission/refusal.ts";
import type { NodeKey } from "../mesh/node_id.ts";
import { isPublicName } from "./label.ts";

/** Name in ALPN of the connections of agents to gateways. */
export const AGENT_PROTOCOL = "ttun-agent/1";

/** Services of the streams that an agent opens at a gateway (docs/wire/gateway.md). */
export const AGENT_SERVICE = "agent";
export const ENROLL_SERVICE = "enroll";

/** Beginning of the service of a stream on which a gateway passes a request on; a name follows. */
export const HTTP_SERVICE = "http ";

/**
 * Service of a stream that a gateway opens when it is to be stopped: the agent goes to another one, and
 * withdraws its names here.
 */
export const DRAIN_SERVICE = "drain";

/** Bytes of the longest message, which has its length before it (4 bytes). */
export const MAX_AGENT_MESSAGE = 64 * 1024;

/** Requests of an agent, on its one stream of service `agent`; answers come in the same order. */
export type AgentRequest =
  /** The first one, and again when the certificate was renewed. */
  | { readonly kind: "hello"; readonly certificate: Uint8Array; readonly proof: Uint8Array }
  /** Visitors of the name are to be passed on to this agent. */
  | {
    readonly kind: "publish";
    readonly name: string;
    /** Of the route to this node, which is signed anew before it ends (route.ts). */
    readonly expires: number;
    readonly signature: Uint8Array;
    /** Visitors' TLS comes as it is: nodes end it for no request of the name. */
    readonly passthrough: boolean;
  }
  /** No more of them; the name stays the agent's. */
  | { readonly kind: "withdraw"; readonly name: string }
  /** Gives the name back: others may have it. */
  | { readonly kind: "release"; readonly name: string }
  /** Asks which names are the agent's. */
  | { readonly kind: "names" };

export type AgentAnswer =
  | {
    readonly kind: "welcome";
    readonly apex: string;
    readonly port: number;
    /** Id of the gateway's node, for which routes are signed. */
    readonly node: NodeKey;
    /** Where other gateways are, on other hosts: HOST:PORT. */
    readonly others: readonly string[];
  }
  | { readonly kind: "names"; readonly names: readonly string[] }
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly error: TtunError };

const WHAT = "a message between agent and gateway";

/** Returns what proves that an agent has its key, for one link alone. `binding`: of that link. */
export function proveAgent(agent: Signer, binding: Uint8Array): Uint8Array {
  return agent.sign(proofMessage(binding));
}

export function isAgentProof(
  publicKey: Uint8Array,
  binding: Uint8Array,
  proof: Uint8Array,
  verify: VerifySignature,
): boolean {
  return verify(publicKey, proofMessage(binding), proof);
}

function proofMessage(binding: Uint8Array): Uint8Array {
  return concat(utf8("ttun mesh agent proof\0"), binding);
}

export function encodeAgentRequest(request: AgentRequest): Uint8Array {
  return encode(request);
}

/** @throws {ProtocolError} */
export function decodeAgentRequest(bytes: Uint8Array): AgentRequest {
  const fields = readFields(bytes, WHAT);
  switch (fields["kind"]) {
    case "hello":
      return {
        kind: "hello",
        certificate: bytesField(fields, "certificate", WHAT),
        proof: bytesField(fields, "proof", WHAT, 64),
      };
    case "publish":
      return {
        kind: "publish",
        name: nameOf(fields),
        expires: numberField(fields, "expires", WHAT),
        signature: bytesField(fields, "signature", WHAT, 64),
        passthrough: fields["passthrough"] === true,
      };
    case "withdraw":
    case "release":
      return { kind: fields["kind"], name: nameOf(fields) };
    case "names":
      return { kind: "names" };
    default:
      throw new ProtocolError(`Cannot read ${WHAT}: its kind is unknown; update the older end`);
  }
}

export function encodeAgentAnswer(answer: AgentAnswer): Uint8Array {
  if (answer.kind !== "refused") return encode(answer);
  const { kind, message } = answer.error;
  return encode({ kind: "refused", error: kind, message: message.slice(0, 500) });
}

/** @throws {ProtocolError} */
export function decodeAgentAnswer(bytes: Uint8Array): AgentAnswer {
  const fields = readFields(bytes, WHAT);
  switch (fields["kind"]) {
    case "welcome":
      return {
        kind: "welcome",
        apex: textField(fields, "apex", WHAT, 253),
        port: numberField(fields, "port", WHAT),
        node: textField(fields, "node", WHAT, 64),
        others: listField(
          fields,
          "others",
          WHAT,
          (item) => typeof item === "string" && item.length <= 300 ? item : null,
        ),
      };
    case "names": {
      const names = listField(fields, "names", WHAT, labelOf, 1000);
      return { kind: "names", names };
    }
    case "done":
      return { kind: "done" };
    case "refused":
      return {
        kind: "refused",
        error: refusalOf(textField(fields, "error", WHAT), textField(fields, "message", WHAT)),
      };
    default:
      throw new ProtocolError(`Cannot read ${WHAT}: its kind is unknown; update the older end`);
  }
}

function encode(message: object): Uint8Array {
  return utf8(JSON.stringify(
    message,
    (_, value) => value instanceof Uint8Array ? encodeBase64Url(value) : value,
  ));
}

function nameOf(fields: Fields): string {
  const name = labelOf(fields["name"]);
  if (name !== null) return name;
  throw new ProtocolError(`Cannot read ${WHAT}: its name is none`);
}

function labelOf(item: unknown): string | null {
  return typeof item === "string" && isPublicName(item) ? item : null;
}

/** The record of a name in the store, in `name/<name>`: it is its owner's until that gives it back. */
export interface NameRecord {
  /** Id of the agent, in hex. */
  readonly agent: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

export const NAMES = "name/";

/** Prefix of the keys that tell the names of an agent; `id`: in hex. A name's own record decides. */
export function namesOfAgent(id: string): string {
  return `names/${id}/`;
}

export function nameKey(name: string): string {
  return NAMES + name;
}

export function encodeNameRecord(record: NameRecord): Uint8Array {
  return utf8(JSON.stringify(record));
}

/** Returns null for what is no agent's: programs may have written it by the API. */
export function decodeNameRecord(bytes: Uint8Array): NameRecord | null {
  try {
    const fields = readFields(bytes, WHAT);
    const agent = textField(fields, "agent", WHAT, 64);
    if (!/^[0-9a-f]{64}$/.test(agent)) return null;
    return { agent, since: numberField(fields, "since", WHAT) };
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}
