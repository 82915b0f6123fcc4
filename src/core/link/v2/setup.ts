import { concat } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { CIPHER_NAMES, type CipherName, CIPHERS } from "../../../contract/cipher.ts";
import { Reader, varint } from "../../../base/varint.ts";
import type { CipherCosts } from "./cipher_choice.ts";
import { type ClientIdentity, packIdentity, readIdentity } from "./identity.ts";
import { exactly, onlyVarint, onlyVarints, packTlv, readTlvs, Tlv, type TlvMap } from "./tlv.ts";

/** Capabilities of an end (TLV 01). Unknown bits are ignored. */
export const Capability = {
  tun: 1,
  tcpOffload: 2,
  udpOffload: 4,
  streams: 8,
  datagrams: 16,
  /** The carrier has packets beside the records. */
  packets: 32,
} as const;

export const PUBLIC_KEY_SIZE = 32;
export const ID_SIZE = 16;
export const PROOF_SIZE = 16;

/** Ciphers by their number in TLV 02. */
const CIPHER_BY_NUMBER: ReadonlyMap<number, CipherName> = new Map(
  CIPHER_NAMES.map((name) => [CIPHERS[name].wireNumber, name]),
);

/** Description that each end sends to the other: the server in Rs, the client in its setup. */
export interface Offer {
  readonly capabilities: number;
  /** Initial window of every stream, initial total window, streams that the other may open. */
  readonly windows: readonly [number, number, number];
  /** Seconds without a byte after which the other end counts as dead. */
  readonly deadTime: number;
  /** Over UDP (docs/wire/udp.md): id of the datagrams that this end is to be sent, 1 to 2^24-1. */
  readonly datagramId?: number;
}

/** Shortest dead time in seconds: less would give up peers that only wait for a retransmission. */
const SHORTEST_DEAD_TIME = 3;

/** Relation of a carrier to a session (TLVs 05 to 09) and to a client (TLV 80). */
export interface SessionIdentity {
  /** Identifies the client's process. */
  readonly instance: Uint8Array;
  readonly session: Uint8Array;
  /** Carrier number; 1 = a new session. */
  readonly carrier: number;
  /** `expected`: number of the next numbered frame. `proof`: that of the session's secret. */
  readonly resume?: { readonly expected: number; readonly proof: Uint8Array };
  /** Absent from clients older than TLV 80. */
  readonly identity?: ClientIdentity;
}

export interface ClientSetup extends Offer, SessionIdentity {}

/** The server's setup; it answers a resume with its own number and proof. */
export interface ServerSetup {
  readonly resume?: { readonly expected: number; readonly proof: Uint8Array };
  /** Addresses assigned to the client, as the value of TLV 0a. */
  readonly addresses?: Uint8Array;
  /** Settings that the client may follow, as the values of TLVs 82 and 83 (pushed.ts). */
  readonly routes?: Uint8Array;
  readonly nameServers?: Uint8Array;
}

export interface ServerKeyMessage extends Offer {
  readonly publicKey: Uint8Array;
  readonly ciphers: readonly CipherName[];
  /** Of all of its ciphers; undefined = it does not leave the choice to the client. */
  readonly costs?: CipherCosts | undefined;
}

export interface ClientKeyMessage {
  readonly publicKey: Uint8Array;
  readonly cipher: CipherName;
}

/** Makes Rs, without its padding. */
export function packServerKeyMessage(m: ServerKeyMessage): Uint8Array {
  const ciphers = Uint8Array.from(m.ciphers, (name) => CIPHERS[name].wireNumber);
  const [capabilities, ...others] = offerTlvs(m);
  const costs = m.costs === undefined
    ? new Uint8Array()
    : packTlv(Tlv.cipherCosts, concat(...m.ciphers.map((name) => varint(m.costs![name]!))));
  return concat(
    ...[m.publicKey, capabilities!, packTlv(Tlv.ciphers, ciphers), ...others, costs],
    packDatagramId(m),
  );
}

/** @throws {ProtocolError} */
export function readServerKeyMessage(text: Uint8Array): ServerKeyMessage {
  const reader = new Reader(text);
  const publicKey = reader.take(PUBLIC_KEY_SIZE).slice();
  const tlvs = readTlvs(reader, {
    required: [Tlv.capabilities, Tlv.ciphers, Tlv.windows, Tlv.deadTime],
    optional: [Tlv.cipherCosts, Tlv.datagramId],
    padded: true,
  });
  const numbers = [...tlvs.get(Tlv.ciphers)!];
  const ciphers = numbers.flatMap((number) => CIPHER_BY_NUMBER.get(number) ?? []);
  return { publicKey, ciphers, ...readCosts(tlvs, numbers), ...readOffer(tlvs) };
}

/** One cost for each number of TLV 02, in its order. @throws {ProtocolError} */
function readCosts(tlvs: TlvMap, numbers: readonly number[]): { costs?: CipherCosts } {
  const value = tlvs.get(Tlv.cipherCosts);
  if (value === undefined) return {};
  const found = onlyVarints(value, numbers.length);
  const costs: Partial<Record<CipherName, number>> = {};
  numbers.forEach((number, i) => {
    const name = CIPHER_BY_NUMBER.get(number);
    if (name !== undefined) costs[name] = found[i]!;
  });
  return { costs };
}

/** Makes Rc, without its padding. */
export function packClientKeyMessage(m: ClientKeyMessage): Uint8Array {
  return concat(m.publicKey, packTlv(Tlv.ciphers, new Uint8Array([CIPHERS[m.cipher].wireNumber])));
}

/** @throws {ProtocolError} */
export function readClientKeyMessage(text: Uint8Array): ClientKeyMessage {
  const reader = new Reader(text);
  const publicKey = reader.take(PUBLIC_KEY_SIZE).slice();
  const tlvs = readTlvs(reader, { required: [Tlv.ciphers], padded: true });
  const cipher = CIPHER_BY_NUMBER.get(exactly(tlvs.get(Tlv.ciphers)!, 1)[0]!);
  if (cipher === undefined) {
    throw new ProtocolError("Cannot read the handshake: an unknown cipher was taken");
  }
  return { publicKey, cipher };
}

export function packClientSetup(setup: ClientSetup): Uint8Array {
  return concat(
    ...offerTlvs(setup),
    packTlv(Tlv.instance, setup.instance),
    packTlv(Tlv.session, setup.session),
    packTlv(Tlv.carrier, varint(setup.carrier)),
    packResume(setup.resume),
    setup.identity === undefined
      ? new Uint8Array()
      : packTlv(Tlv.identity, packIdentity(setup.identity)),
    packDatagramId(setup),
  );
}

/** @throws {ProtocolError} */
export function readClientSetup(tlvBytes: Uint8Array): ClientSetup {
  const tlvs = readTlvs(new Reader(tlvBytes), {
    required: [Tlv.capabilities, Tlv.windows, Tlv.deadTime, Tlv.instance, Tlv.session, Tlv.carrier],
    optional: [Tlv.expected, Tlv.proof, Tlv.identity, Tlv.datagramId],
  });
  const carrier = onlyVarint(tlvs.get(Tlv.carrier)!);
  const resume = readResume(tlvs);
  // A new session has nothing to prove; an old one must prove its secret.
  if (carrier < 1 || (carrier === 1) !== (resume.resume === undefined)) {
    throw new ProtocolError(
      "Cannot read the handshake: carrier number and proof do not fit together",
    );
  }
  const identity = tlvs.get(Tlv.identity);
  return {
    ...readOffer(tlvs),
    instance: exactly(tlvs.get(Tlv.instance)!, ID_SIZE).slice(),
    session: exactly(tlvs.get(Tlv.session)!, ID_SIZE).slice(),
    carrier,
    ...resume,
    ...(identity === undefined ? {} : { identity: readIdentity(identity) }),
  };
}

export function packServerSetup(setup: ServerSetup): Uint8Array {
  const optional = (type: number, value: Uint8Array | undefined) =>
    value === undefined ? new Uint8Array() : packTlv(type, value);
  return concat(
    packResume(setup.resume),
    optional(Tlv.addresses, setup.addresses),
    optional(Tlv.routes, setup.routes),
    optional(Tlv.nameServers, setup.nameServers),
  );
}

/** @throws {ProtocolError} */
export function readServerSetup(tlvBytes: Uint8Array): ServerSetup {
  const tlvs = readTlvs(new Reader(tlvBytes), {
    required: [],
    optional: [Tlv.expected, Tlv.proof, Tlv.addresses, Tlv.routes, Tlv.nameServers],
  });
  const value = (type: number) => tlvs.get(type)?.slice();
  const [addresses, routes, nameServers] = [Tlv.addresses, Tlv.routes, Tlv.nameServers].map(value);
  return {
    ...readResume(tlvs),
    ...(addresses !== undefined && { addresses }),
    ...(routes !== undefined && { routes }),
    ...(nameServers !== undefined && { nameServers }),
  };
}

/** Types are written in ascending order; any order is read. */
function offerTlvs(offer: Offer): Uint8Array[] {
  return [
    packTlv(Tlv.capabilities, varint(offer.capabilities)),
    packTlv(Tlv.windows, concat(...offer.windows.map(varint))),
    packTlv(Tlv.deadTime, varint(offer.deadTime)),
  ];
}

function readOffer(tlvs: TlvMap): Offer {
  const [stream, total, streams] = onlyVarints(tlvs.get(Tlv.windows)!, 3) as [
    number,
    number,
    number,
  ];
  const deadTime = onlyVarint(tlvs.get(Tlv.deadTime)!);
  if (deadTime < SHORTEST_DEAD_TIME) {
    throw new ProtocolError(`Cannot read the handshake: a dead time of ${deadTime} s is too short`);
  }
  return {
    capabilities: onlyVarint(tlvs.get(Tlv.capabilities)!),
    windows: [stream, total, streams],
    deadTime,
    ...readDatagramId(tlvs),
  };
}

function packDatagramId({ datagramId: id }: Offer): Uint8Array {
  if (id === undefined) return new Uint8Array();
  return packTlv(Tlv.datagramId, new Uint8Array([id >>> 16, id >>> 8, id]));
}

function readDatagramId(tlvs: TlvMap): Pick<Offer, "datagramId"> {
  const value = tlvs.get(Tlv.datagramId);
  if (value === undefined) return {};
  const [high, middle, low] = exactly(value, 3);
  const datagramId = high! << 16 | middle! << 8 | low!;
  if (datagramId === 0) throw new ProtocolError("Cannot read the handshake: an id is zero");
  return { datagramId };
}

function packResume(resume: ServerSetup["resume"]): Uint8Array {
  if (resume === undefined) return new Uint8Array();
  return concat(packTlv(Tlv.expected, varint(resume.expected)), packTlv(Tlv.proof, resume.proof));
}

function readResume(tlvs: TlvMap): Pick<ServerSetup, "resume"> {
  const expected = tlvs.get(Tlv.expected);
  const proof = tlvs.get(Tlv.proof);
  if (expected === undefined && proof === undefined) return {};
  if (expected === undefined || proof === undefined) {
    throw new ProtocolError("Cannot read the handshake: a resume is not whole");
  }
  return { resume: { expected: onlyVarint(expected), proof: exactly(proof, PROOF_SIZE).slice() } };
}
