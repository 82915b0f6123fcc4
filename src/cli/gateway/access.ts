import { TtunError } from "../../base/errors.ts";
import { utf8 } from "../../base/bytes.ts";
import {
  ACCESS_BYTES,
  formatAccessKey,
  isAccessLabel,
  readAccessKey,
} from "../../core/gateway/access_key.ts";
import { readLabel } from "../../core/gateway/label.ts";
import { writeNew } from "../../io/files/new_file.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { fileFailure } from "../platform/file_failure.ts";
import { rng } from "../platform/rng.ts";
import { linkSecret } from "../secrets/link_secret.ts";
import { keepAccess, type KeptAccess, MOST_KEYS, readAccess } from "./access_folder.ts";
import { agentFolder, readAgent } from "./agent_folder.ts";
import type { AccessFlags } from "./reach_options.ts";

/** Makes, takes back and lists access keys of this machine's agent. @throws {TtunError} */
export async function runAccess(
  { words: [first = "", verb, label, ...rest], out, data }: AccessFlags,
  { signal }: RunContext,
): Promise<number> {
  const name = readLabel(first);
  if (out !== undefined && verb !== "add") {
    throw new TtunError("usage", "Cannot use --out without add: it is for a new key");
  }
  const folder = agentFolder(data);
  readAgent(folder); // there must be one
  const keys = readAccess(folder);
  const own = keys.filter((key) => key.name === name);
  if (verb === "list" && label === undefined) {
    const lines = own.map(({ label, since }) =>
      `${label}  ${new Date(since).toISOString().slice(0, 16)}\n`
    );
    await print(lines.join(""), signal);
    return 0;
  }
  if (label === undefined || rest.length > 0 || (verb !== "add" && verb !== "revoke")) {
    throw new TtunError(
      "usage",
      "Cannot do this: write NAME add LABEL, NAME revoke LABEL, or NAME list behind ttun mesh access",
    );
  }
  if (verb === "revoke") {
    revoke(folder, keys, name, label);
    await print(`The access key ${label} of ${name} counts no more.\n`, signal);
    return 0;
  }
  requireNew(label, own);
  const text = formatAccessKey(rng(ACCESS_BYTES));
  const secret = await linkSecret(readAccessKey(text));
  if (out !== undefined) keepKey(out, text);
  keepAccess(folder, [...readAccess(folder), { name, label, since: Date.now(), secret }]);
  await print(out === undefined ? `${text}\n` : `The access key ${label} is in ${out}.\n`, signal);
  return 0;
}

function requireNew(label: string, own: readonly KeptAccess[]): void {
  const why = !isAccessLabel(label)
    ? "a label has letters, digits, dots, _ and -, at most 63"
    : own.some((key) => key.label === label)
    ? "there is one with that label; revoke it, or take another label"
    : own.length >= MOST_KEYS
    ? `the service has ${MOST_KEYS}; revoke those not in use`
    : null;
  if (why === null) return;
  throw new TtunError("usage", `Cannot add the access key ${JSON.stringify(label)}: ${why}`);
}

function revoke(folder: string, keys: readonly KeptAccess[], name: string, label: string): void {
  const left = keys.filter((key) => key.name !== name || key.label !== label);
  if (left.length < keys.length) return keepAccess(folder, left);
  throw new TtunError(
    "usage",
    `There is no access key ${JSON.stringify(label)} of ${name}; list tells which there are`,
  );
}

function keepKey(path: string, text: string): void {
  try {
    writeNew(path, utf8(`${text}\n`), { mode: 0o600, isModeExact: true });
  } catch (error) {
    throw fileFailure("write the access key to", path, error);
  }
}
