import { parseIp } from "../../base/addr.ts";
import { utf8 } from "../../base/bytes.ts";
import { isHostName } from "../dns/host_name.ts";
import { type Fields, listField, readFields, textField } from "../mesh/admission/json.ts";
import type { ZoneMember } from "./zone_records.ts";

const WHAT = "what a node tells of itself for DNS";

/** Addresses of one node, at most. */
export const MOST_NODE_ADDRESSES = 8;

export function encodeZoneMember({ visitors, server }: ZoneMember): Uint8Array {
  return utf8(JSON.stringify({ visitors, ...(server !== null && { server }) }));
}

/** @throws {ProtocolError} */
export function decodeZoneMember(bytes: Uint8Array): ZoneMember {
  const fields = readFields(bytes, WHAT);
  const visitors = addresses(fields, "visitors");
  const server = fields["server"];
  if (typeof server !== "object" || server === null) return { visitors, server: null };
  const name = textField(server as Fields, "name", WHAT, 253);
  if (!isHostName(name)) return { visitors, server: null };
  return { visitors, server: { name, addresses: addresses(server as Fields, "addresses") } };
}

function addresses(fields: Fields, name: string): readonly string[] {
  const read = (item: unknown) => typeof item === "string" && parseIp(item) !== null ? item : null;
  return listField(fields, name, WHAT, read, MOST_NODE_ADDRESSES);
}
