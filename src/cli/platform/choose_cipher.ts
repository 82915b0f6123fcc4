import { openLibcrypto } from "../../../ffi/openssl/libcrypto.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { CipherFactory } from "../../contract/cipher.ts";
import { findDisagreement } from "../../core/cipher/self_check.ts";
import { makePureCipher } from "../../core/cipher/pure_cipher.ts";
import { makeNodeCipher, missingNodeCipher } from "../../io/crypto/node_cipher.ts";
import { isGranted } from "./permissions.ts";

/** Implementations, fastest first; `--aead` selects one. */
export const CIPHER_IMPLEMENTATIONS = ["native", "node", "pure"] as const;
export type CipherImplementation = typeof CIPHER_IMPLEMENTATIONS[number];
export type CipherMode = "auto" | CipherImplementation;

/** Its ciphers cannot be used after dispose. */
export interface ChosenCiphers extends Disposable {
  readonly factory: CipherFactory;
  readonly name: CipherImplementation;
  /** Library or runtime, such as "OpenSSL 3.0.19 27 Jan 2026". */
  readonly detail: string;
}

export interface CipherCandidate {
  /** @throws {TtunError} if this system or the permissions do not have it */
  open(): { factory: CipherFactory; detail: string } & Disposable;
  readonly remedy: string;
}

export type CipherCandidates = Readonly<Record<CipherImplementation, CipherCandidate>>;

const CANDIDATES: CipherCandidates = {
  native: {
    open: openNative,
    remedy: "Install OpenSSL 3 (libcrypto) and give --allow-ffi, or use --aead auto",
  },
  node: {
    open: openNode,
    remedy: "Use --aead auto",
  },
  pure: {
    open: () => withoutOwner(makePureCipher, "@noble/ciphers"),
    remedy: "Use --aead auto",
  },
};

/**
 * Opens the fastest that gives correct answers (`auto`) or the named one. What is not granted
 * counts as missing; nothing prompts. The caller owns the result.
 * @throws {TtunError} system, if the named one, or every one, cannot be used
 */
export function chooseCiphers(
  mode: CipherMode,
  log: Logger,
  candidates: CipherCandidates = CANDIDATES,
): ChosenCiphers {
  if (mode !== "auto") return openNamed(mode, candidates[mode]);
  for (const name of CIPHER_IMPLEMENTATIONS) {
    const tried = tryCandidate(name, candidates[name]);
    if ("chosen" in tried) return tried.chosen;
    const say = tried.trouble === "absent" ? log.debug : log.warn;
    say(`The ${name} ciphers cannot be used, trying the next: ${tried.reason}`);
  }
  throw new TtunError("system", "Cannot find an implementation of the ciphers that can be used");
}

function openNamed(name: CipherImplementation, candidate: CipherCandidate): ChosenCiphers {
  const tried = tryCandidate(name, candidate);
  if ("chosen" in tried) return tried.chosen;
  throw new TtunError(
    "system",
    `Cannot use the ${name} ciphers: ${tried.reason}. ${candidate.remedy}`,
    { cause: tried.cause },
  );
}

type Tried =
  | { chosen: ChosenCiphers }
  | { trouble: "absent" | "wrong"; reason: string; cause?: unknown };

function tryCandidate(name: CipherImplementation, candidate: CipherCandidate): Tried {
  let opened: ReturnType<CipherCandidate["open"]>;
  try {
    opened = candidate.open();
  } catch (error) {
    return { trouble: "absent", reason: toTtunError(error).message, cause: error };
  }
  using owned = new DisposableStack();
  owned.use(opened);
  try {
    const reason = findDisagreement(opened.factory);
    if (reason !== null) return { trouble: "wrong", reason };
  } catch (error) {
    return { trouble: "wrong", reason: toTtunError(error).message, cause: error };
  }
  const kept = owned.move();
  const { factory, detail } = opened;
  return { chosen: { name, factory, detail, [Symbol.dispose]: () => kept.dispose() } };
}

function openNative(): ReturnType<CipherCandidate["open"]> {
  // This comes first: dlopen without the permission would prompt on a terminal.
  if (!isGranted({ name: "ffi" })) {
    throw new TtunError("privilege", "the permission to load native libraries is not given");
  }
  const library = openLibcrypto();
  return {
    factory: library.makeCipher,
    detail: library.version,
    [Symbol.dispose]: () => library[Symbol.dispose](),
  };
}

function openNode(): ReturnType<CipherCandidate["open"]> {
  const missing = missingNodeCipher();
  if (missing === null) return withoutOwner(makeNodeCipher, "node:crypto");
  throw new TtunError("system", `node:crypto of Deno ${Deno.version.deno} has no ${missing}`);
}

function withoutOwner(
  factory: CipherFactory,
  detail: string,
): ReturnType<CipherCandidate["open"]> {
  return { factory, detail, [Symbol.dispose]: () => {} };
}
