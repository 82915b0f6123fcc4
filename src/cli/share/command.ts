import { formatAddr } from "../../base/addr.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { formatSharedLink } from "../../core/share/shared_link.ts";
import { writeNew } from "../../io/files/new_file.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { fileFailure } from "../platform/file_failure.ts";
import { resolveKey } from "../secrets/key_source.ts";
import { namedKeys } from "../secrets/named_keys.ts";
import type { ShareFlags } from "./options.ts";

/**
 * Prints a link with all that a client needs, and a QR code of it: on a terminal alone, as it has
 * the key in it, or into a file. @throws {TtunError} usage, privilege, system
 */
export async function runShare(options: ShareFlags, context: RunContext): Promise<number> {
  const { out, host, range, wire, cipher } = options;
  if (out === undefined && !Deno.stdout.isTerminal()) {
    throw new TtunError(
      "usage",
      "Cannot print a link where others may read it: it has the key in it; give --out FILE, or run " +
        "this on a terminal",
    );
  }
  if (range !== undefined && host.hasPort) {
    throw new TtunError(
      "usage",
      "Cannot share a port beside --range, whose ports the client takes: give the host alone",
    );
  }
  const key = await keyOf(options, context);
  const link = formatSharedLink({
    key,
    host: host.host,
    port: range === undefined ? host.port : null,
    range: range ?? null,
    isOnlyV2: wire === "v2",
    cipher: cipher === "auto" ? null : cipher,
  });
  if (out !== undefined) {
    writeLink(out, `${link}\n`);
    await print(`The link is in ${out}; on the client: ttun client link:${out}\n`, context.signal);
    return 0;
  }
  const { renderUnicodeCompact } = await import("uqr");
  const code = renderUnicodeCompact(link, { border: 2 });
  const at = range === undefined ? formatAddr(host) : host.host;
  await print(
    `Whoever has this link can use the server ${at}:\n\n  ${link}\n\n` +
      "On the client, with the link in a file of mode 600, or pasted at a prompt:\n\n" +
      "  ttun client link:FILE\n  ttun client link:-\n\n" +
      "Where the shell's history may have it, also as an argument:\n\n" +
      `  ttun client '${link}'\n\n${code}\n`,
    context.signal,
  );
  return 0;
}

async function keyOf(options: ShareFlags, context: RunContext): Promise<Uint8Array> {
  const found = await resolveKey(options, context);
  const keys = namedKeys(found);
  const { client } = options;
  if (keys === undefined) {
    if (client === undefined) return found.key;
    throw new TtunError("usage", "Cannot share a client's key: the key file has one key for all");
  }
  const names = keys.map(({ name }) => name).join(", ");
  if (client === undefined) {
    throw new TtunError("usage", `Cannot choose among the keys: give --client, one of ${names}`);
  }
  const named = keys.find(({ name }) => name === client);
  if (named !== undefined) return named.password;
  throw new TtunError("usage", `Cannot share the key of ${client}: the key file has ${names}`);
}

function writeLink(path: string, text: string): void {
  try {
    writeNew(path, utf8(text), { mode: 0o600 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new TtunError("usage", `Cannot write ${path}: it is there already`);
    }
    throw fileFailure("write", path, error);
  }
}
