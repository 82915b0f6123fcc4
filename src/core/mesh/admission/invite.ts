import { formatAddr, type HostPort } from "../../../base/addr.ts";
import { decodeBase64Url, encodeBase64Url } from "../../../base/base64url.ts";
import { concat, readU16, readU32, utf8, writeU16, writeU32 } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import { derive } from "../../link/v2/secrets.ts";

/**
 * All that a machine needs to become a node of a cluster, once, as one text (docs/wire/mesh.md):
 *
 *     ttun-mesh:AQAAAABqyVJ…
 *
 * It never has the cluster's secret, which follows once the token is proved.
 */
export interface Invite {
  /** 8 random bytes. */
  readonly id: Uint8Array;
  /** 32 random bytes: the private key whose public one the cluster keeps. */
  readonly token: Uint8Array;
  /** Hash of the public key of the cluster's authority (32 bytes). */
  readonly authorityHash: Uint8Array;
  /** Seconds since 1970. */
  readonly expires: number;
  /** Where nodes of the cluster take invites; at most eight. */
  readonly seeds: readonly HostPort[];
}

export const INVITE_SCHEME = "ttun-mesh:";
export const INVITE_ID_SIZE = 8;
export const MOST_SEEDS = 8;

const VERSION = 2;
const CHECKSUM_SIZE = 4;
const NO_KEY = new Uint8Array(32);

/** Version and checksum; then expiry, id, token, hash of the authority and how many seeds follow. */
const HEAD_SIZE = 1 + CHECKSUM_SIZE;
const FIXED_SIZE = 4 + INVITE_ID_SIZE + 32 + 32 + 1;
const LONGEST = 4096;

/** Writes an invite. Seeds beyond the most that there may be are left out. */
export function formatInvite({ id, token, authorityHash, expires, seeds }: Invite): string {
  const most = seeds.slice(0, MOST_SEEDS);
  const time = new Uint8Array(4);
  writeU32(time, 0, expires);
  const places = most.map(packSeed);
  const body = concat(time, id, token, authorityHash, Uint8Array.of(most.length), ...places);
  return INVITE_SCHEME + encodeBase64Url(concat(Uint8Array.of(VERSION), checksum(body), body));
}

/** Reads an invite, with its scheme or not. @throws {TtunError} usage, which repeats nothing */
export function parseInvite(text: string): Invite {
  const written = text.trim();
  const encoded = isInvite(written) ? written.slice(INVITE_SCHEME.length) : written;
  if (encoded.length > LONGEST) throw unreadable("it is too long");
  const bytes = decodeBase64Url(encoded);
  if (bytes === null || bytes.length < HEAD_SIZE + FIXED_SIZE) throw incomplete();
  if (bytes[0] !== VERSION) {
    throw unreadable("it is of another version of ttun, or is none; update the older one");
  }
  const body = bytes.slice(HEAD_SIZE);
  if (checksum(body).some((byte, i) => byte !== bytes[1 + i])) throw incomplete();
  return {
    expires: readU32(body, 0),
    id: body.subarray(4, 12),
    token: body.subarray(12, 44),
    authorityHash: body.subarray(44, 76),
    seeds: readSeeds(body, FIXED_SIZE, body[FIXED_SIZE - 1]!),
  };
}

export function isInvite(text: string): boolean {
  return text.slice(0, INVITE_SCHEME.length).toLowerCase() === INVITE_SCHEME;
}

function packSeed(seed: HostPort): Uint8Array {
  const host = utf8(seed.host);
  const port = new Uint8Array(2);
  writeU16(port, 0, seed.port);
  if (host.length > 255) {
    throw new TtunError("usage", `Cannot invite to ${formatAddr(seed)}: the name is too long`);
  }
  return concat(Uint8Array.of(host.length), host, port);
}

function readSeeds(body: Uint8Array, from: number, count: number): HostPort[] {
  if (count > MOST_SEEDS) throw unreadable("it has too many addresses");
  const found: HostPort[] = [];
  let at = from;
  for (let i = 0; i < count; i++) {
    const length = body[at] ?? 0;
    if (length === 0 || at + 1 + length + 2 > body.length) throw incomplete();
    const host = new TextDecoder().decode(body.subarray(at + 1, at + 1 + length));
    at += 1 + length;
    found.push({ host, port: readU16(body, at) });
    at += 2;
  }
  if (at !== body.length) throw incomplete();
  return found;
}

function checksum(body: Uint8Array): Uint8Array {
  return derive(NO_KEY, "mesh invite", body).slice(0, CHECKSUM_SIZE);
}

function incomplete(): TtunError {
  return unreadable("a part of it is missing or mistyped; copy all of it");
}

function unreadable(why: string): TtunError {
  return new TtunError("usage", `Cannot read the invite: ${why}; ttun mesh invite prints one`);
}
