import { decodeBase64Url, encodeBase64Url } from "../../base/base64url.ts";
import { fromHex, toHex, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { trustAnchor } from "../../core/mesh/admission/authority.ts";
import { listField, numberField, readFields, textField } from "../../core/mesh/admission/json.ts";
import { NODE_ROLES, type NodeRole } from "../../core/mesh/descriptor.ts";
import { parseCertificate } from "../../core/x509/certificate.ts";
import { decodePem, encodePem, pkcs8Of } from "../../core/x509/pem.ts";
import { replaceAtomically } from "../../io/files/new_file.ts";
import { removeIfThere } from "../../io/files/present.ts";
import { fileFailure } from "../platform/file_failure.ts";
import { rng } from "../platform/rng.ts";
import { stateDirectory } from "../platform/state_file.ts";
import { readKept } from "../tox/kept_file.ts";

/** Everything that a node keeps of itself and its cluster; records are in files of their own. */
export interface NodeState {
  /** 32 secret bytes of the node's key. */
  readonly seed: Uint8Array;
  /** In DER. */
  readonly certificate: Uint8Array;
  /** Public keys of the authorities that are trusted. */
  readonly authorities: readonly Uint8Array[];
  /** Secrets of the cluster's links: the first one is for new ones. */
  readonly secrets: readonly Uint8Array[];
  /** Key of the positions on the ring. */
  readonly placement: Uint8Array;
  /** 32 secret bytes of the authority's key; null = another node has it. */
  readonly authoritySeed: Uint8Array | null;
  /** Of the key that takes its place next (rotation.ts). */
  readonly nextSeed: Uint8Array | null;
  readonly facts: NodeSettings;
}

export interface NodeSettings {
  /** 16 bytes in hex. */
  readonly cluster: string;
  readonly generation: number;
  readonly host: string;
  readonly zone: string;
  readonly roles: readonly NodeRole[];
  /** Where other nodes reach this one: HOST:PORT; "" = nowhere. */
  readonly address: string;
  /** Where machines that join reach this one: HOST:PORT. */
  readonly joinAt: string;
  /** Where the node with the authority's key takes requests: HOST:PORT. */
  readonly core: string;
  /** Where other nodes were: HOST:PORT. */
  readonly peers: readonly string[];
}

const KEY = "node.key";
const CERTIFICATE = "node.crt";
const AUTHORITIES = "ca.crt";
const WEB_AUTHORITY = "web-ca.crt";
const AUTHORITY_KEY = "ca.key";
const NEXT_AUTHORITY_KEY = "ca.next.key";
const SECRETS = "secret";
const PLACEMENT = "placement";
const SETTINGS = "node.json";

/** Bytes of each of these files. */
const MOST = 64 * 1024;

/** Returns the folder of a node. @throws {TtunError} usage, if there is no place for one */
export function nodeFolder(given: string | undefined): string {
  if (given === "") throw new TtunError("usage", "The name of the node's folder is empty");
  if (given !== undefined) return given.replace(/(?<=.)\/+$/, "");
  const state = stateDirectory();
  if (state !== null) return `${state}/mesh`;
  throw new TtunError(
    "usage",
    "Cannot keep a node: there is no HOME and no STATE_DIRECTORY; give a folder by --data",
  );
}

/** Returns true if there is a whole node in the folder. @throws {TtunError} privilege */
export function isNode(folder: string): boolean {
  return readKept(`${folder}/${SETTINGS}`, MOST, "the node") !== null;
}

/** Returns the key of a node that has begun to join; null = there is none. @throws {TtunError} */
export function readSeed(folder: string, file = KEY): Uint8Array | null {
  const kept = readKept(`${folder}/${file}`, MOST, "the key");
  if (kept === null) return null;
  const { mode } = kept.info;
  if (Deno.build.os !== "windows" && mode !== null && (mode & 0o077) !== 0) {
    throw new TtunError(
      "usage",
      `Cannot use ${folder}/${file}: other users have access to it; run chmod 600 on it`,
    );
  }
  const der = decodePem("PRIVATE KEY", new TextDecoder().decode(kept.bytes));
  const seed = der?.slice(-32);
  if (seed !== undefined && toHex(pkcs8Of(seed)) === toHex(der!)) return seed;
  throw damaged(folder, file);
}

/** @throws {TtunError} usage, privilege */
export function keepSeed(folder: string, seed: Uint8Array, file = KEY): void {
  write(folder, file, utf8(encodePem("PRIVATE KEY", pkcs8Of(seed))), 0o600);
}

/** Reads the node in a folder. @throws {TtunError} usage, privilege */
export function readNode(folder: string): NodeState {
  const seed = readSeed(folder);
  if (seed === null || !isNode(folder)) {
    throw new TtunError(
      "usage",
      `There is no node in ${folder}: ttun mesh init makes a cluster, ttun mesh join joins one`,
    );
  }
  const certificate = decodePem("CERTIFICATE", textOf(folder, CERTIFICATE));
  if (certificate === null) throw damaged(folder, CERTIFICATE);
  const lines = (file: string) => {
    const keys = textOf(folder, file).split("\n").filter(Boolean).map(decodeBase64Url);
    if (keys.length === 0 || keys.some((key) => key?.length !== 32)) throw damaged(folder, file);
    return keys as Uint8Array[];
  };
  return {
    seed,
    certificate,
    authorities: authoritiesOf(folder),
    secrets: lines(SECRETS),
    placement: lines(PLACEMENT)[0]!,
    authoritySeed: readSeed(folder, AUTHORITY_KEY),
    nextSeed: readSeed(folder, NEXT_AUTHORITY_KEY),
    facts: readSettings(folder),
  };
}

/** Keeps a node, the file that says that there is one the last. @throws {TtunError} */
export function keepNode(folder: string, state: NodeState): void {
  keepSeed(folder, state.seed);
  // A key is there before its certificate is trusted, and goes after another one signs.
  if (state.nextSeed !== null) keepSeed(folder, state.nextSeed, NEXT_AUTHORITY_KEY);
  if (state.authoritySeed !== null) keepSeed(folder, state.authoritySeed, AUTHORITY_KEY);
  write(folder, CERTIFICATE, utf8(encodePem("CERTIFICATE", state.certificate)), 0o644);
  const anchors = state.authorities.map((key) => encodePem("CERTIFICATE", trustAnchor(key)));
  write(folder, AUTHORITIES, utf8(anchors.join("")), 0o644);
  const lines = (keys: readonly Uint8Array[]) =>
    utf8(keys.map((key) => `${encodeBase64Url(key)}\n`).join(""));
  write(folder, SECRETS, lines(state.secrets), 0o600);
  write(folder, PLACEMENT, lines([state.placement]), 0o600);
  write(folder, SETTINGS, utf8(`${JSON.stringify(state.facts, null, 2)}\n`), 0o600);
  if (state.nextSeed === null) removeIfThere(`${folder}/${NEXT_AUTHORITY_KEY}`);
}

/** @throws {TtunError} privilege, system */
export function keepWebAuthority(folder: string, certificate: Uint8Array): void {
  write(folder, WEB_AUTHORITY, utf8(encodePem("CERTIFICATE", certificate)), 0o644);
}

/** Removes the authority's keys. @throws {TtunError} privilege, system */
export function removeKeys(folder: string): void {
  for (const file of [AUTHORITY_KEY, NEXT_AUTHORITY_KEY]) {
    try {
      removeIfThere(`${folder}/${file}`);
    } catch (error) {
      throw fileFailure("remove the key", `${folder}/${file}`, error);
    }
  }
}

function authoritiesOf(folder: string): Uint8Array[] {
  const blocks = textOf(folder, AUTHORITIES).split(/(?=-----BEGIN)/)
    .map((block) => decodePem("CERTIFICATE", block));
  if (blocks.some((der) => der === null)) throw damaged(folder, AUTHORITIES);
  return blocks.map((der) => parseCertificate(der!).publicKey);
}

function readSettings(folder: string): NodeSettings {
  const what = `the file ${folder}/${SETTINGS}`;
  const fields = readFields(utf8(textOf(folder, SETTINGS)), what);
  const text = (item: unknown) => typeof item === "string" ? item : null;
  const cluster = textField(fields, "cluster", what, 32);
  if (!/^[0-9a-f]{32}$/.test(cluster)) throw damaged(folder, SETTINGS);
  return {
    cluster,
    generation: numberField(fields, "generation", what),
    host: textField(fields, "host", what),
    zone: textField(fields, "zone", what),
    roles: listField(fields, "roles", what, (one) => NODE_ROLES.find((r) => r === one) ?? null),
    address: textField(fields, "address", what),
    joinAt: textField(fields, "joinAt", what),
    core: textField(fields, "core", what),
    peers: listField(fields, "peers", what, text),
  };
}

/** Returns the 16 bytes that tell clusters apart. */
export function clusterId({ cluster }: NodeSettings): Uint8Array {
  return fromHex(cluster);
}

/** Makes the folder, for its owner alone. @throws {TtunError} usage, privilege, system */
export function makeFolder(folder: string): void {
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileFailure("keep the node in", folder, error);
  }
}

function textOf(folder: string, file: string): string {
  const kept = readKept(`${folder}/${file}`, MOST, "the node's file");
  if (kept === null) throw damaged(folder, file);
  return new TextDecoder().decode(kept.bytes);
}

function write(folder: string, file: string, bytes: Uint8Array, mode: number): void {
  const path = `${folder}/${file}`;
  makeFolder(folder);
  try {
    const next = `${path}.${toHex(rng(8))}`; // a name that nobody can occupy in advance
    replaceAtomically(path, next, bytes, { mode, isModeExact: true, durable: true });
  } catch (error) {
    throw fileFailure("keep the node in", path, error);
  }
}

function damaged(folder: string, file: string): TtunError {
  return new TtunError("usage", `Cannot use ${folder}/${file}: it is missing or damaged`);
}
