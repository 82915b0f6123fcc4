import { toTtunError, TtunError } from "../../base/errors.ts";
import { systemError } from "../../io/deno_errors.ts";
import { RESOLV_CONF } from "../../io/netcfg/resolv_conf_file.ts";
import { fileReason } from "../platform/file_failure.ts";

/** Returns the error for name servers that cannot be set: a file refused by the system is no bug. */
export function nameServerFailure(thrown: unknown): TtunError {
  const refused = thrown instanceof TtunError ? null : systemError(thrown, "open");
  if (refused === null) return toTtunError(thrown);
  const isDenied = refused.is("EACCES") || refused.is("EPERM");
  return new TtunError(
    isDenied ? "privilege" : "system",
    `Cannot set this machine's name servers in ${RESOLV_CONF}: ${fileReason(thrown)}; ` +
      `${isDenied ? "run ttun with sudo, or " : ""}leave out --dns and --accept-dns`,
    { cause: thrown },
  );
}
