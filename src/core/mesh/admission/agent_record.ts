import { toHex, utf8 } from "../../../base/bytes.ts";
import { type AgentGrant, inviterField, kindsField } from "./invite_record.ts";
import { listField, numberField, readFields } from "./json.ts";

/** The cluster's record of an agent that it has certified, in `conf/agent/<agent id>`. */
export interface AgentRecord extends AgentGrant {
  /** Milliseconds since 1970 of its last certificate. */
  readonly renewed: number;
  /** Id (hex) of the node by whose invite it has enrolled. */
  readonly by: string;
}

export const AGENTS = "conf/agent/";

const WHAT = "an agent of the store";

export function agentKey(agentId: Uint8Array): string {
  return AGENTS + toHex(agentId);
}

export function encodeAgent(agent: AgentRecord): Uint8Array {
  return utf8(JSON.stringify(agent));
}

/** @throws {ProtocolError} */
export function decodeAgent(bytes: Uint8Array): AgentRecord {
  const fields = readFields(bytes, WHAT);
  const text = (item: unknown) => typeof item === "string" ? item : null;
  return {
    names: listField(fields, "names", WHAT, text),
    quota: numberField(fields, "quota", WHAT),
    kinds: kindsField(fields, WHAT),
    renewed: numberField(fields, "renewed", WHAT),
    by: inviterField(fields, WHAT),
  };
}
