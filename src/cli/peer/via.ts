import { TtunError } from "../../base/errors.ts";
import { pskKey } from "../../core/link/v1/kdf.ts";
import type { RunContext } from "../command/context.ts";
import { LONGEST_REKEY } from "../command/session_options.ts";
import { denoKeyEnvironment, type KeyEnvironment } from "../secrets/key_environment.ts";
import { NoKey, resolveKey } from "../secrets/key_source.ts";
import { linkSecret } from "../secrets/link_secret.ts";
import { takeLink } from "../share/take_link.ts";
import { addressOf, type Endpoint, formatEndpoint } from "../transport/endpoint.ts";
import type { ViaFlags } from "./via_options.ts";
import type { ViaConfig } from "./via_config.ts";

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
    // Arguments that could not be hidden may be this link.
    {
      ...context,
      hasSecretArguments: context.hasSecretArguments === true && !context.secretsHidden,
    },
  );
  const { server } = whole;
  const address = addressOf(server);
  if (address === null || server.scheme !== "tcp") {
    throw new TtunError(
      "usage",
      `Cannot meet by ${formatEndpoint(server)}: --via takes HOST[:PORT], or a link to such`,
    );
  }
  const key = await keyOf(whole, context);
  return {
    server: address,
    link: { wire: "v2", psk: pskKey(key), cipher: "auto", rekeySeconds: LONGEST_REKEY },
    s: await linkSecret(key),
  };
}

/** @throws {TtunError} usage, privilege, with words for the options of the server */
async function keyOf(
  whole: Parameters<typeof resolveKey>[0] & { readonly server: Endpoint },
  context: RunContext,
): Promise<Uint8Array> {
  try {
    return (await resolveKey(whole, context, OTHER_KEY)).key;
  } catch (error) {
    if (!(error instanceof NoKey)) throw error;
    const words = `Cannot meet at ${formatEndpoint(whole.server)} without its key: give ` +
      "--via-key-file FILE, or a link to it by --via (ttun share prints one)";
    throw new TtunError(error.kind, words, { cause: error });
  }
}

/** The variables of a key are about the two ends' own. */
const OTHER_KEY: KeyEnvironment = {
  ...denoKeyEnvironment,
  env: {
    get: (name) => name.startsWith("TTUN_KEY") ? undefined : denoKeyEnvironment.env.get(name),
    forget: () => {},
  },
};
