import type { NamedKey } from "../../base/named_key.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { hopOf } from "../transport/endpoint.ts";
import type { TunFlags } from "../tun/options.ts";
import type { ResolvedKey } from "./key_source.ts";
import { warnOfWeakKey } from "./key_strength.ts";
import { clientKey, namedKeys } from "./named_keys.ts";

/**
 * Returns the keys of a server whose key file has one for each client; undefined = there is one key.
 * Weak ones draw a warning. @throws {TtunError} usage, where they cannot be used
 */
export function tunnelKeys(
  options: TunFlags,
  found: ResolvedKey,
  log: Logger,
): readonly NamedKey[] | undefined {
  if ("server" in options) {
    warnOfWeakKey(clientKey(found), log);
    return undefined;
  }
  const keys = namedKeys(found);
  if (keys === undefined) {
    warnOfWeakKey(found.key, log);
    return undefined;
  }
  const refuse = (why: string): never => {
    throw new TtunError("usage", `Cannot use a key file of several keys: ${why}`);
  };
  if (options.wire === "v1") {
    refuse("version 1 of the wire cannot tell them apart; leave --wire v1 away");
  }
  if (options.listen.some((one) => hopOf(one) !== null)) {
    refuse("the ports of hop:// follow from one key; give a file with that one alone");
  }
  for (const { name, password } of keys) warnOfWeakKey(password, log, name);
  return keys;
}
