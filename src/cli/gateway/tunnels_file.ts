import { TtunError } from "../../base/errors.ts";
import { completeArgs } from "../command/args.ts";
import { loadConfig, soundEntries } from "../config/file.ts";
import { findConfig, parseConfigName } from "../config/names.ts";
import { TUNNEL_OPTIONS, type TunnelFlags } from "./tunnel_options.ts";

/** The tables that count, and what each may have. */
const TABLES = { "mesh publish": { options: TUNNEL_OPTIONS } };

/** Reads a file's tables of what is published. @throws {TtunError} usage, privilege */
export function readTunnelsFile(file: string): TunnelFlags[] {
  const path = findConfig(parseConfigName(file));
  const entries = soundEntries(loadConfig(path, TABLES));
  if (entries.length === 0) {
    throw new TtunError("usage", `Cannot use ${path}: there is no table [[mesh.publish]] in it`);
  }
  return entries.map(({ layer }) => completeArgs(TUNNEL_OPTIONS, {}, [layer]));
}
