import { decodeBase64Url, encodeBase64Url } from "../../base/base64url.ts";
import { formatAddr, type HostPort, parseHostPort } from "../../base/addr.ts";
import { toHex, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { listField, readFields, textField } from "../../core/mesh/admission/json.ts";
import { decodePem, encodePem } from "../../core/x509/pem.ts";
import { replaceAtomically } from "../../io/files/new_file.ts";
import { removeIfThere } from "../../io/files/present.ts";
import { keepSeed, makeFolder, readSeed } from "../mesh/node_folder.ts";
import { fileFailure } from "../platform/file_failure.ts";
import { rng } from "../platform/rng.ts";
import { stateDirectory } from "../platform/state_file.ts";
import { readKept } from "../tox/kept_file.ts";

const KEY = "agent.key";
const CERTIFICATE = "agent.crt";
const AUTHORITIES = "ca.crt";
const SETTINGS = "agent.json";
const MOST = 64 * 1024;

/** Everything that an agent keeps of itself and of the gateways that it goes to. */
export interface AgentState {
  /** 32 secret bytes of the agent's key. */
  readonly seed: Uint8Array;
  /** In DER. */
  readonly certificate: Uint8Array;
  /** Domain of the names. */
  readonly apex: string;
  /** Where the gateway is. */
  readonly at: HostPort;
  /** Public keys of the cluster's authorities. */
  readonly authorities: readonly Uint8Array[];
}

/** Returns the folder of an agent. @throws {TtunError} usage, if there is no place for one */
export function agentFolder(given: string | undefined): string {
  if (given === "") throw new TtunError("usage", "The name of the agent's folder is empty");
  if (given !== undefined) return given.replace(/(?<=.)\/+$/, "");
  const state = stateDirectory();
  if (state !== null) return `${state}/agent`;
  throw new TtunError(
    "usage",
    "Cannot keep an agent: there is no HOME and no STATE_DIRECTORY; give a folder by --data",
  );
}

/** Returns the key that is there, else makes one and keeps it. @throws {TtunError} */
export function agentSeed(folder: string): Uint8Array {
  const seed = readSeed(folder, KEY) ?? rng(32);
  keepSeed(folder, seed, KEY);
  return seed;
}

export function isAgent(folder: string): boolean {
  return readKept(`${folder}/${SETTINGS}`, MOST, "the agent") !== null;
}

/** Returns the file of the gateway's authorities; null = the system's. */
export function authoritiesFile(folder: string): string | null {
  const path = `${folder}/${AUTHORITIES}`;
  return readKept(path, MOST, "the authorities") === null ? null : path;
}

/** `pem`: null = the system's. @throws {TtunError} */
export function keepAuthorities(folder: string, pem: string | null): void {
  if (pem === null) removeIfThere(`${folder}/${AUTHORITIES}`);
  else write(folder, AUTHORITIES, pem, 0o644);
}

/** @throws {TtunError} usage, privilege */
export function readAgent(folder: string): AgentState {
  const seed = readSeed(folder, KEY);
  const kept = readKept(`${folder}/${SETTINGS}`, MOST, "the agent");
  if (seed === null || kept === null) {
    throw new TtunError(
      "usage",
      `There is no agent in ${folder}: ttun mesh enroll makes one, with a token of the mesh`,
    );
  }
  const what = `the file ${folder}/${SETTINGS}`;
  const fields = readFields(kept.bytes, what);
  const pem = readKept(`${folder}/${CERTIFICATE}`, MOST, "the certificate");
  const certificate = pem === null
    ? null
    : decodePem("CERTIFICATE", new TextDecoder().decode(pem.bytes));
  if (certificate === null) {
    throw new TtunError("usage", `Cannot use ${folder}/${CERTIFICATE}: it is missing or damaged`);
  }
  return {
    seed,
    certificate,
    apex: textField(fields, "apex", what),
    at: parseHostPort(textField(fields, "at", what)),
    authorities: listField(fields, "authorities", what, (item) => {
      const key = typeof item === "string" ? decodeBase64Url(item) : null;
      return key?.length === 32 ? key : null;
    }),
  };
}

/** Keeps an agent whose key is kept, the file that says that there is one the last. @throws {TtunError} */
export function keepAgent(folder: string, state: Omit<AgentState, "seed">): void {
  write(folder, CERTIFICATE, encodePem("CERTIFICATE", state.certificate), 0o644);
  const { apex, at, authorities } = state;
  const settings = {
    apex,
    at: formatAddr(at),
    authorities: authorities.map(encodeBase64Url),
  };
  write(folder, SETTINGS, `${JSON.stringify(settings, null, 2)}\n`, 0o600);
}

function write(folder: string, file: string, text: string, mode: number): void {
  const path = `${folder}/${file}`;
  makeFolder(folder);
  try {
    const next = `${path}.${toHex(rng(8))}`; // a name that nobody can occupy in advance
    replaceAtomically(path, next, utf8(text), { mode, isModeExact: true, durable: true });
  } catch (error) {
    throw fileFailure("keep the agent in", path, error);
  }
}
