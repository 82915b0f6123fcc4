import { toClientName } from "../../core/link/v2/client_name.ts";
import { clientId } from "../../core/link/v2/identity.ts";
import type { RunContext } from "../command/context.ts";
import { isGranted } from "../platform/permissions.ts";
import { mayKeepState, NO_STATE_PERMISSION, stateDirectory } from "../platform/state_file.ts";
import { linkSecret, serverToken } from "../secrets/link_secret.ts";
import { formatEndpoint, hopOf } from "../transport/endpoint.ts";
import { type KeptIdentity, keptIdentity } from "./client_identity.ts";
import { isKnown, remember } from "./known_servers.ts";
import { keepAddress, lastAddress } from "./server_addresses.ts";
import type { TunClientFlags, TunFlags } from "./options.ts";
import type { TunStart } from "./plane_config.ts";

interface RememberingServer {
  readonly start: Promise<TunStart>;
  /** The server has spoken version 2. */
  remember(): Promise<void>;
  /** The server was met there, by its name. */
  keepAddress(address: string): Promise<void>;
}

const NOTHING = { remember: () => Promise.resolve(), keepAddress: () => Promise.resolve() };

/** The secrets of several keys are worked out while the server runs. */
export const NO_SECRET: RememberingServer = {
  start: Promise.resolve({ s: new Uint8Array(), seenV2: false }),
  ...NOTHING,
};

/** Derives the secret of version 2 in the background. */
export function rememberingServer(
  options: TunFlags,
  key: Uint8Array,
  { log }: RunContext,
): RememberingServer {
  const secret = options.wire === "v1" ? Promise.resolve(new Uint8Array()) : linkSecret(key);
  if (!("server" in options) || options.wire === "v1") {
    return { start: secret.then((s) => ({ s, seenV2: false })), ...NOTHING };
  }
  const directory = stateDirectory();
  const who = whoIAm(options, keptIdentity(directory));
  const server = formatEndpoint(options.server);
  // Version 1 is never spoken on ports that hop.
  const isOpen = options.wire === "auto" && hopOf(options.server) === null;
  const learns = directory !== null && isOpen;
  const may = (name: "read") => isGranted({ name, path: directory! });
  const isAsked = options.defaultRoute || options.killSwitch; // others follow the name alone
  const placeOf = (s: Uint8Array): Pick<TunStart, "lastAddress"> => {
    if (!isAsked || directory === null || !may("read")) return {};
    const address = lastAddress(directory, serverToken(s, server));
    return address === null ? {} : { lastAddress: address };
  };
  return {
    start: secret.then((s) => ({
      s,
      seenV2: learns && may("read") && isKnown(directory, serverToken(s, server)),
      ...placeOf(s),
      ...who(s),
    })),
    remember: async () => {
      if (!learns) return;
      const token = serverToken(await secret, server);
      const problem = mayKeepState(directory) ? remember(directory, token) : NO_STATE_PERMISSION;
      if (problem === null) return;
      log.info("cannot remember that this server speaks version 2", { why: problem });
    },
    keepAddress: async (address) => {
      if (directory === null) return;
      const token = serverToken(await secret, server);
      const problem = mayKeepState(directory)
        ? keepAddress(directory, token, address)
        : NO_STATE_PERMISSION;
      if (problem !== null) log.debug("cannot remember where the server is", { why: problem });
    },
  };
}

/** Reads the host name at once. */
function whoIAm(options: TunClientFlags, { secret, why }: KeptIdentity) {
  const mayAsk = isGranted({ name: "sys", kind: "hostname" });
  const name = options.name ?? (mayAsk ? toClientName(Deno.hostname()) : "");
  return (s: Uint8Array): Pick<TunStart, "identity" | "whyForgotten"> => ({
    identity: {
      id: secret === null ? null : clientId(secret, s, options.name ?? ""),
      name,
      wishes: options.address ?? [],
    },
    whyForgotten: why,
  });
}
