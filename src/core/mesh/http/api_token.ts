import { decodeBase64Url, encodeBase64Url } from "../../../base/base64url.ts";
import { constantTimeEqual, fromHex, toHex, utf8 } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import { derive } from "../../link/v2/secrets.ts";
import { listField, numberField, readFields, textField } from "../admission/json.ts";

/** Kinds of request that a token may make; `admin` changes the cluster itself. */
export const VERBS = ["get", "put", "delete", "list", "watch", "lease", "status", "admin"] as const;
export type Verb = typeof VERBS[number];

/** The right of a program to use the API of a node, without the secret that it has. */
export interface ApiToken {
  /** 8 hex digits. */
  readonly id: string;
  /** 64 hex digits. */
  readonly hash: string;
  readonly verbs: readonly Verb[];
  /** Beginning of the keys that it may use; "" = all. */
  readonly prefix: string;
  /** Milliseconds since 1970. */
  readonly created: number;
}

const SCHEME = "ttm_";
const WHAT = "the file of tokens";
const NO_KEY = new Uint8Array(32);

/** Most tokens of a node. */
export const MOST_TOKENS = 200;

/** `random`: 36 bytes. Returns the text that the program has to show, too. */
export function makeToken(
  random: Uint8Array,
  o: Pick<ApiToken, "verbs" | "prefix" | "created">,
): { readonly token: ApiToken; readonly text: string } {
  const [id, secret] = [toHex(random.subarray(0, 4)), random.subarray(4, 36)];
  return {
    token: { id, hash: hashOf(secret), ...o },
    text: `${SCHEME}${id}_${encodeBase64Url(secret)}`,
  };
}

/** Returns the token that a program shows; null = there is none. */
export function findToken(tokens: readonly ApiToken[], text: string): ApiToken | null {
  const [, id, encoded] = /^ttm_([0-9a-f]{8})_([A-Za-z0-9_-]{43})$/.exec(text) ?? [];
  const secret = encoded === undefined ? null : decodeBase64Url(encoded);
  if (secret === null) return null;
  const token = tokens.find((token) => token.id === id);
  if (token === undefined) return null;
  return constantTimeEqual(fromHex(token.hash), fromHex(hashOf(secret))) ? token : null;
}

/** `key`: absent = the request is about no key. */
export function mayUse({ verbs, prefix }: ApiToken, verb: Verb, key = prefix): boolean {
  return verbs.includes(verb) && key.startsWith(prefix);
}

export function encodeTokens(tokens: readonly ApiToken[]): Uint8Array {
  return utf8(`${JSON.stringify({ tokens }, null, 2)}\n`);
}

/** @throws {ProtocolError} */
export function decodeTokens(bytes: Uint8Array): ApiToken[] {
  return listField(readFields(bytes, WHAT), "tokens", WHAT, (item) => {
    const fields = typeof item === "object" && item !== null ? item as Record<string, unknown> : {};
    const token: ApiToken = {
      id: textField(fields, "id", WHAT, 8),
      hash: textField(fields, "hash", WHAT, 64),
      verbs: listField(fields, "verbs", WHAT, (verb) => VERBS.find((v) => v === verb) ?? null),
      prefix: textField(fields, "prefix", WHAT),
      created: numberField(fields, "created", WHAT),
    };
    return /^[0-9a-f]{8}$/.test(token.id) && /^[0-9a-f]{64}$/.test(token.hash) ? token : null;
  });
}

/** Reads "get,put". @throws {TtunError} usage */
export function parseVerbs(text: string): Verb[] {
  return text.split(",").map((word) => {
    const verb = VERBS.find((verb) => verb === word.trim());
    if (verb !== undefined) return verb;
    throw new TtunError(
      "usage",
      `Cannot read ${JSON.stringify(word)}: give ${VERBS.join(", ")}, with commas between`,
    );
  });
}

function hashOf(secret: Uint8Array): string {
  return toHex(derive(NO_KEY, "mesh token", secret));
}
