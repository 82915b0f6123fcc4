import { toHex } from "../../base/bytes.ts";
import { type ApiToken, decodeTokens, encodeTokens } from "../../core/mesh/http/api_token.ts";
import { replaceAtomically } from "../../io/files/new_file.ts";
import { fileFailure } from "../platform/file_failure.ts";
import { rng } from "../platform/rng.ts";
import { readKept } from "../tox/kept_file.ts";

const FILE = "tokens.json";
const MOST = 256 * 1024;

/** Milliseconds in which the file is not looked at again: a command that changes it takes longer. */
const LOOK_MS = 5;

/** Returns the tokens of a node's API. @throws {TtunError} */
export function readTokens(folder: string): ApiToken[] {
  const kept = readKept(`${folder}/${FILE}`, MOST, "the file of tokens");
  return kept === null ? [] : decodeTokens(kept.bytes);
}

/** @throws {TtunError} usage, privilege, system */
export function keepTokens(folder: string, tokens: readonly ApiToken[]): void {
  const path = `${folder}/${FILE}`;
  try {
    const o = { mode: 0o600, isModeExact: true, durable: true };
    replaceAtomically(path, `${path}.${toHex(rng(8))}`, encodeTokens(tokens), o);
  } catch (error) {
    throw fileFailure("keep tokens in", path, error);
  }
}

/** Follows the file of a running node: a token that is added or revoked counts at once. */
export class TokenFile {
  readonly #folder: string;
  readonly #warn: (message: string) => void;
  #seen = "";
  #lookedAt = -Infinity;
  #tokens: readonly ApiToken[] = [];

  constructor(folder: string, warn: (message: string) => void) {
    this.#folder = folder;
    this.#warn = warn;
  }

  /** A file that cannot be read has no tokens. */
  read(): readonly ApiToken[] {
    const time = performance.now();
    if (time < this.#lookedAt + LOOK_MS) return this.#tokens;
    this.#lookedAt = time;
    const now = this.#state();
    if (now === this.#seen) return this.#tokens;
    this.#seen = now;
    try {
      this.#tokens = readTokens(this.#folder);
    } catch (error) {
      this.#tokens = [];
      this.#warn(error instanceof Error ? error.message : String(error));
    }
    return this.#tokens;
  }

  #state(): string {
    try {
      const { mtime, size, ino } = Deno.statSync(`${this.#folder}/${FILE}`);
      return `${mtime?.getTime()} ${size} ${ino}`;
    } catch {
      return "none"; // it is not there, which is no failure
    }
  }
}
