import { TtunError } from "../../base/errors.ts";
import { makeToken, MOST_TOKENS, parseVerbs } from "../../core/mesh/http/api_token.ts";
import { isPrefix } from "../../core/mesh/http/route.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { rng } from "../platform/rng.ts";
import { nodeFolder, readNode } from "./node_folder.ts";
import type { MeshTokenFlags } from "./options.ts";
import { keepTokens, readTokens } from "./token_file.ts";

/** Adds, lists and revokes tokens of this node's API. @throws {TtunError} usage, privilege, system */
export async function runMeshToken(
  { words: [verb, id, ...rest], verbs, prefix, data }: MeshTokenFlags,
  { signal }: RunContext,
): Promise<number> {
  const folder = nodeFolder(data);
  readNode(folder); // there must be one
  const tokens = readTokens(folder);
  if (verb === "add" && id === undefined) {
    if (!isPrefix(prefix)) throw new TtunError("usage", "Cannot use --prefix: no key begins so");
    if (tokens.length >= MOST_TOKENS) {
      throw new TtunError("usage", "Cannot add a token: there are 200; revoke those not in use");
    }
    const created = Date.now();
    const made = makeToken(rng(36), { verbs: parseVerbs(verbs), prefix, created });
    keepTokens(folder, [...tokens, made.token]);
    await print(`${made.text}\n`, signal);
    return 0;
  }
  if (verb === "list" && id === undefined) {
    const lines = tokens.map(({ id, verbs, prefix, created }) =>
      `${id}  ${new Date(created).toISOString().slice(0, 16)}  ${verbs.join(",")}  ` +
      `${prefix === "" ? "(all keys)" : prefix}\n`
    );
    await print(lines.join(""), signal);
    return 0;
  }
  if (verb === "revoke" && id !== undefined && rest.length === 0) {
    const kept = tokens.filter((token) => token.id !== id);
    if (kept.length === tokens.length) {
      throw new TtunError(
        "usage",
        `There is no token ${JSON.stringify(id)}; list tells which there are`,
      );
    }
    keepTokens(folder, kept);
    await print(`The token ${id} counts no more.\n`, signal);
    return 0;
  }
  throw new TtunError(
    "usage",
    "Cannot do this: write add, list, or revoke ID behind ttun mesh token",
  );
}
