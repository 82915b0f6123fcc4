import { TtunError } from "../../base/errors.ts";
import { parseSharedLink, type SharedLink } from "../../core/share/shared_link.ts";
import type { RunContext } from "../command/context.ts";
import type { CipherChoice } from "../command/cipher_choice.ts";
import type { Endpoint } from "../transport/endpoint.ts";

/** Options of a client that a link can fill. */
interface LinkableOptions {
  readonly server: Endpoint;
  readonly key: string | undefined;
  readonly keyFile: string | undefined;
  readonly cipher: CipherChoice;
  readonly wire?: "auto" | "v1" | "v2";
  /** The key of a link, in UTF-8. */
  readonly linkKey?: Uint8Array;
}

/**
 * Replaces a link among the options by what is in it. What the user has set besides counts.
 * @throws {TtunError} usage, without a link that can be used
 */
export async function takeLink<O extends LinkableOptions>(
  options: O,
  context: Pick<RunContext, "signal">,
): Promise<O> {
  const { scheme, at } = options.server;
  if (scheme !== "ttun" && scheme !== "link") return options;
  if (options.key !== undefined || options.keyFile !== undefined) {
    throw new TtunError("usage", "Cannot use a key beside a link, which has one: leave one away");
  }
  const text = scheme === "ttun" ? `ttun:${at}` : await readLinkFile(`${at}`, context);
  return { ...options, ...filled(options, parseSharedLink(text)) };
}

async function readLinkFile(path: string, context: Pick<RunContext, "signal">): Promise<string> {
  const { readLink } = await import("../secrets/link_file.ts");
  return await readLink(path, context);
}

function filled(
  { cipher, wire }: LinkableOptions,
  { key, host, port, range, isOnlyV2, cipher: given }: SharedLink,
): Pick<LinkableOptions, "server" | "linkKey" | "cipher" | "wire"> {
  return {
    server: range === null
      ? { scheme: "tcp", at: { host, port: port! } }
      : { scheme: "hop", at: { host, range } },
    linkKey: key,
    cipher: cipher === "auto" && given !== null ? given : cipher,
    ...(wire !== undefined && { wire: wire === "auto" && isOnlyV2 ? "v2" : wire }),
  };
}
