import { TtunError } from "../../base/errors.ts";
import { pskKey } from "../../core/link/v1/kdf.ts";
import { isSharedLink } from "../../core/share/shared_link.ts";
import type { RunContext } from "../command/context.ts";
import type { OptionTable, Values } from "../command/option_table.ts";
import { LONGEST_REKEY } from "../command/session_options.ts";
import { denoKeyEnvironment, type KeyEnvironment } from "../secrets/key_environment.ts";
import { resolveKey } from "../secrets/key_source.ts";
import { linkSecret } from "../secrets/link_secret.ts";
import { takeLink } from "../share/take_link.ts";
import { addressOf, beginningsOf, formatEndpoint, parseServer } from "../transport/endpoint.ts";
import type { ViaConfig } from "./via_config.ts";

export const VIA_OPTIONS = {
  via: {
    names: ["via"],
    group: "basic",
    kind: "string",
    metavar: "SERVER",
    parse: parseServer,
    isSecret: isSharedLink,
    beginnings: beginningsOf("server"),
    help:
      "meet the other end of a ticket at this server of ttun, as HOST[:PORT] or a link to it (ttun:// or " +
      "link:FILE): it tells both where the other one is, and carries their bytes where nothing else " +
      "gets through, if it has --permit-relay; both ends name it",
  },
  viaKeyFile: {
    names: ["via-key-file"],
    group: "basic",
    kind: "string",
    metavar: "FILE",
    help: "read that server's key from FILE, where --via is no link; without it " +
      "~/.config/ttun/key or /etc/ttun/key",
  },
} as const satisfies OptionTable;

type ViaFlags = Values<typeof VIA_OPTIONS>;

/** Takes the server where both ends meet, with its key; null = none is named. @throws {TtunError} */
export async function viaOf(
  { via, viaKeyFile: keyFile }: ViaFlags,
  context: RunContext,
): Promise<ViaConfig | null> {
  if (via === undefined) {
    if (keyFile === undefined) return null;
    throw new TtunError("usage", "Cannot use --via-key-file without --via, whose key it is");
  }
  const whole = await takeLink(
    { server: via, key: undefined, keyFile, cipher: "auto" as const },
    context,
  );
  const { server } = whole;
  const address = addressOf(server);
  if (address === null || server.scheme !== "tcp") {
    throw new TtunError(
      "usage",
      `Cannot meet by ${formatEndpoint(server)}: --via takes HOST[:PORT], or a link to such`,
    );
  }
  const { key } = await resolveKey(whole, context, OTHER_KEY);
  return {
    server: address,
    link: { wire: "v2", psk: pskKey(key), cipher: "auto", rekeySeconds: LONGEST_REKEY },
    s: await linkSecret(key),
  };
}

/** The variables of a key are about the two ends' own. */
const OTHER_KEY: KeyEnvironment = {
  ...denoKeyEnvironment,
  env: {
    get: (name) => name.startsWith("TTUN_KEY") ? undefined : denoKeyEnvironment.env.get(name),
    forget: () => {},
  },
};
