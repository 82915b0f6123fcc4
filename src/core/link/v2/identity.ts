import type { Cidr } from "../../../base/addr.ts";
import { concat, utf8 } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { fromLatin1, toLatin1 } from "../../../base/latin1.ts";
import { Reader } from "../../../base/varint.ts";
import { isClientName } from "./client_name.ts";
import { derive } from "./secrets.ts";
import { isAcceptable, MOST_ADDRESSES, packAddresses, readAddressList } from "./addresses.ts";

export const CLIENT_ID_SIZE = 16;

/** A client's self-description in its setup (TLV 80 of docs/wire/link-v2.md). */
export interface ClientIdentity {
  /** Identity of 16 bytes, constant over all runs; null if the client cannot store it. */
  readonly id: Uint8Array | null;
  /** Name for logs and `--client-network`; "" = none. It is unverified, like all fields. */
  readonly name: string;
  /** Addresses that the client asks for. Their prefix lengths mean nothing. */
  readonly wishes: readonly Cidr[];
}

/** Derives the id at all servers with one key; by `name` one machine can be several clients. */
export function clientId(kept: Uint8Array, s: Uint8Array, name: string): Uint8Array {
  return derive(kept, "identity", s, utf8(name)).slice(0, CLIENT_ID_SIZE);
}

/** Makes TLV 80; leaves out wishes that no server could grant. */
export function packIdentity({ id, name, wishes }: ClientIdentity): Uint8Array {
  const possible = wishes.filter(isAcceptable).slice(0, MOST_ADDRESSES);
  return concat(
    Uint8Array.of(id?.length ?? 0),
    id ?? new Uint8Array(),
    Uint8Array.of(name.length),
    toLatin1(name),
    packAddresses(possible),
  );
}

/** Reads TLV 80. @throws {ProtocolError} */
export function readIdentity(value: Uint8Array): ClientIdentity {
  const reader = new Reader(value);
  const idSize = reader.u8();
  if (idSize !== 0 && idSize !== CLIENT_ID_SIZE) throw wrong("an id of another size");
  const id = reader.take(idSize).slice();
  const name = fromLatin1(reader.take(reader.u8()));
  if (name !== "" && !isClientName(name)) throw wrong("a name that is none");
  return { id: idSize === 0 ? null : id, name, wishes: readAddressList(reader) };
}

function wrong(what: string): ProtocolError {
  return new ProtocolError(`Cannot read the client's identity: ${what}`);
}
