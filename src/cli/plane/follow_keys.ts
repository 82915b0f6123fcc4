import type { NamedKey } from "../../base/named_key.ts";
import { TtunError } from "../../base/errors.ts";
import type { RunContext } from "../command/context.ts";
import { denoKeyEnvironment } from "../secrets/key_environment.ts";
import { namedKeys } from "../secrets/named_keys.ts";
import { KEY, readSecretFile } from "../secrets/secret_file.ts";

/** Returns the file of several keys that a server can read again; undefined = it has none. */
export function changingKeyFile(
  keys: readonly NamedKey[] | undefined,
  { keyFile }: { readonly keyFile: string | undefined },
): string | undefined {
  return keys === undefined || keyFile === "-" ? undefined : keyFile;
}

/**
 * Gives a running server the keys of its file whenever that is to be read again. `check` may refuse
 * them.
 */
export function followKeys(
  path: string | undefined,
  context: Pick<RunContext, "log" | "onReload" | "signal">,
  replace: (keys: readonly NamedKey[]) => void,
  check: (keys: readonly NamedKey[]) => void = () => {},
): Disposable | null {
  if (path === undefined) return null;
  return context.onReload(async () => {
    const key = await readSecretFile(path, KEY, context, denoKeyEnvironment);
    const keys = namedKeys({ key, source: "--key-file" });
    if (keys === undefined) {
      throw new TtunError("usage", "Cannot go on with one key, without a name, in the key file");
    }
    check(keys);
    replace(keys);
    context.log.info("keys", { names: keys.map(({ name }) => name).join(" ") });
  });
}
