import { toHex, utf8 } from "../../../base/bytes.ts";
import { NODE_ROLES, type NodeRole } from "../descriptor.ts";
import { inviterField } from "./invite_record.ts";
import { listField, numberField, readFields, textField } from "./json.ts";

/** The cluster's record of a node that it has admitted, in `conf/member/<node id>`. */
export interface Member {
  readonly host: string;
  readonly zone: string;
  readonly roles: readonly NodeRole[];
  /** Where other nodes reach it: HOST:PORT. */
  readonly address: string;
  /** Where machines that join reach it: HOST:PORT; "" = nowhere. */
  readonly joinAt: string;
  /** Milliseconds since 1970 when its certificate ends. */
  readonly notAfter: number;
  /** Which authorities and secrets it has (`Membership`). */
  readonly generation: number;
  /** Id (hex) of the node by whose invite it has joined; "" = it is the first one. */
  readonly by: string;
}

export const MEMBERS = "conf/member/";

const WHAT = "a member of the store";

export function memberKey(nodeId: Uint8Array): string {
  return MEMBERS + toHex(nodeId);
}

export function encodeMember(member: Member): Uint8Array {
  return utf8(JSON.stringify(member));
}

/** @throws {ProtocolError} */
export function decodeMember(bytes: Uint8Array): Member {
  const fields = readFields(bytes, WHAT);
  return {
    host: textField(fields, "host", WHAT),
    zone: textField(fields, "zone", WHAT),
    roles: listField(
      fields,
      "roles",
      WHAT,
      (item) => NODE_ROLES.find((role) => role === item) ?? null,
    ),
    address: textField(fields, "address", WHAT),
    joinAt: textField(fields, "joinAt", WHAT),
    notAfter: numberField(fields, "notAfter", WHAT),
    generation: numberField(fields, "generation", WHAT),
    by: inviterField(fields, WHAT),
  };
}
