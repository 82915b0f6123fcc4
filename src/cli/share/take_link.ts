import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { parseSharedLink, type SharedLink } from "../../core/share/shared_link.ts";
import type { Secrets } from "../background/handover.ts";
import type { RunContext } from "../command/context.ts";
import type { CipherChoice } from "../command/cipher_choice.ts";
import { load } from "../plane/load.ts";
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
 * Replaces a link among the options by what is in it. What the user has set besides counts. `given`:
 * its text, where that was read already.
 * @throws {TtunError} usage, without a link that can be used
 */
export async function takeLink<O extends LinkableOptions>(
  options: O,
  context: LinkContext,
  given?: string,
): Promise<O> {
  const text = given ?? await linkText(options, context);
  if (text === null) return options;
  if (options.key !== undefined || options.keyFile !== undefined) {
    throw new TtunError("usage", "Cannot use a key beside a link, which has one: leave one away");
  }
  return { ...options, ...filled(options, parseSharedLink(text)) };
}

/** The link's name among secrets that a process in the foreground hands over. */
const LINK_SECRET = "link";

/** Packs the link of the options for a process in the background; null = they have none. */
export async function sharedLinkSecrets(
  options: Pick<LinkableOptions, "server">,
  context: LinkContext,
): Promise<Secrets | null> {
  const text = await linkText(options, context);
  return text === null ? null : { [LINK_SECRET]: utf8(text) };
}

export type LinkContext = Pick<
  RunContext,
  "signal" | "background" | "log" | "hasSecretArguments" | "secretsHidden"
>;

/**
 * Returns the text of a link or ticket; null = the server is named otherwise. One of the command line
 * is hidden there when a process in the background reads it.
 */
export async function linkText(
  { server: { scheme, at } }: Pick<LinkableOptions, "server">,
  context: LinkContext,
): Promise<string | null> {
  if (scheme !== "ttun" && scheme !== "link" && scheme !== "peer") return null;
  const handed = context.background?.secrets[LINK_SECRET];
  if (handed !== undefined) return new TextDecoder().decode(handed);
  if (scheme === "link") return await readLinkFile(`${at}`, context);
  if (scheme === "peer" && at === "") return await askForTicket(context);
  // A ticket is for once and for some minutes.
  const isShort = scheme === "peer" && context.secretsHidden;
  if (context.hasSecretArguments === true && !isShort) {
    warnOfArgument(scheme === "peer" ? "ticket" : "link", context);
  }
  return `${scheme}:${at}`;
}

function warnOfArgument(
  what: "link" | "ticket",
  { secretsHidden, log }: Pick<RunContext, "log" | "secretsHidden">,
): void {
  const sight = secretsHidden
    ? "was visible in process lists until ttun hid it"
    : "is visible in process lists";
  log.warn(
    `The ${what} given as an argument ${sight}, and a shell's history may keep it; ` +
      "use link:FILE, or link:- and paste it, or TTUN_SERVER",
  );
}

async function askForTicket(context: LinkContext): Promise<string> {
  const { askForTicket } = await load(() => import("../peer/take_ticket.ts"));
  return await askForTicket({ ticket: undefined, ticketFile: undefined }, context);
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
