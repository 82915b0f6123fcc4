import { resolve } from "node:path";
import { TtunError } from "../../base/errors.ts";
import type { EntranceRules } from "../../core/gateway/entrance.ts";
import { type Logins, readLogins } from "../../core/gateway/logins.ts";
import type { PublishTarget } from "../../core/gateway/publish_target.ts";
import { hashesOf, type VisitorRules } from "../../core/gateway/visitor_rules.ts";
import type { RunContext } from "../command/context.ts";
import { load } from "../plane/load.ts";
import { denoKeyEnvironment } from "../secrets/key_environment.ts";
import { readSecretFile, type SecretKind } from "../secrets/secret_file.ts";
import { KeptNames } from "./kept_names.ts";
import type { PublishFlags } from "./options.ts";
import { passthroughOf } from "./passthrough.ts";
import type { TunnelConfig } from "./plane_config.ts";
import { withRawWishes } from "./raw_wishes.ts";
import type { TunnelFlags } from "./tunnel_options.ts";

type Context = Pick<RunContext, "signal" | "log">;

const LOGINS: SecretKind = { file: "file of logins", question: "NAME:PASSWORD: " };
const TOKEN: SecretKind = { file: "token file", question: "Token: " };

/** Facts for the logins of visitors. */
interface LoginTools {
  /** 16 random bytes for their hashes. */
  readonly salt: Uint8Array;
  /** Lines as a file has them, for what the command line alone says; null = there are none. */
  readonly ofEnvironment: string | null;
}

/** Returns the tunnels of the command line or of a file. @throws {TtunError} */
export async function readTunnels(
  options: PublishFlags,
  folder: string,
  tools: LoginTools,
  context: Context,
): Promise<TunnelConfig[]> {
  const { tunnels: file } = options;
  const tables: readonly TunnelFlags[] = file === undefined
    ? [options]
    : (await load(() => import("./tunnels_file.ts"))).readTunnelsFile(file);
  const kept = new KeptNames(folder);
  const logins = file === undefined ? tools : { ...tools, ofEnvironment: null };
  const all: TunnelConfig[] = [];
  for (const table of tables) all.push(...await tunnelsOf(table, kept, logins, context));
  const names = new Set(all.map(({ name }) => name));
  if (names.size === all.length) return all;
  throw new TtunError("usage", "Cannot publish two targets at one name");
}

async function tunnelsOf(
  flags: TunnelFlags,
  kept: KeptNames,
  tools: LoginTools,
  context: Context,
): Promise<TunnelConfig[]> {
  const { target: targets = [], name, list: isListed } = flags;
  if (targets.length === 0) {
    throw new TtunError("usage", "There is nothing to publish: give a TARGET, or --tunnels FILE");
  }
  if (name !== undefined && (targets.length > 1 || targets[0]!.name !== null)) {
    throw new TtunError(
      "usage",
      "Cannot use --name here: write the names of several targets as NAME=TARGET",
    );
  }
  const rules: EntranceRules = {
    visitors: await visitorRules(flags, tools, context),
    limits: {
      rate: flags.rate ?? null,
      visitorRate: flags.visitorRate ?? null,
      concurrent: flags.concurrent ?? null,
      visitorConcurrent: flags.visitorConcurrent ?? null,
    },
    requestFields: flags.requestHeader ?? [],
    responseFields: flags.responseHeader ?? [],
  };
  const passthrough = passthroughOf(flags, targets.map(({ target }) => target));
  const tunnels = targets.map(({ name: own, target: written }) => {
    const target = withRawWishes(absolute(written), flags, rules);
    return { name: own ?? name ?? kept.nameOf(target), target, isListed, rules, passthrough };
  });
  return [...tunnels, ...atHosts(flags.hostname ?? [], tunnels)];
}

/** Returns the tunnel once more for each host name. @throws {TtunError} usage, where there are several */
function atHosts(hosts: readonly string[], tunnels: readonly TunnelConfig[]): TunnelConfig[] {
  const [tunnel] = tunnels;
  if (hosts.length === 0 || tunnel === undefined) return [];
  if (tunnels.length > 1) {
    throw new TtunError(
      "usage",
      "Cannot use --hostname here: write the host names of several targets as HOST=TARGET",
    );
  }
  if (tunnel.target.kind === "raw") {
    throw new TtunError("usage", "Cannot use --hostname here: it is for services of HTTP");
  }
  return hosts.map((name) => ({ ...tunnel, name }));
}

/** Folders are seen from where ttun was called. */
function absolute(target: PublishTarget): PublishTarget {
  return target.kind === "folder" ? { ...target, path: resolve(target.path) } : target;
}

/** @throws {TtunError} usage, privilege, if a file cannot be used */
async function visitorRules(
  { basicAuth, bearerFile, allow = [] }: TunnelFlags,
  { salt, ofEnvironment }: LoginTools,
  context: Context,
): Promise<VisitorRules> {
  const logins = basicAuth !== undefined
    ? loginsOf(basicAuth, await read(basicAuth, LOGINS, context))
    : ofEnvironment !== null
    ? loginsOf("TTUN_MESH_LOGINS", ofEnvironment)
    : null;
  const token = bearerFile === undefined ? null : (await read(bearerFile, TOKEN, context)).trim();
  if (token === "") throw new TtunError("usage", `Cannot use ${bearerFile}: it is empty`);
  return {
    allow: allow.length === 0 ? null : allow,
    hashes: logins === null && token === null ? null : hashesOf(salt, logins?.plain ?? [], token),
    salt,
    slow: logins?.slow ?? [],
    asksBrowser: logins !== null,
  };
}

/** `path`: the name of their place. @throws {TtunError} usage */
function loginsOf(path: string, text: string): Logins {
  const logins = readLogins(text);
  if (logins === null) {
    throw new TtunError(
      "usage",
      `Cannot use ${path}: write lines of NAME:PASSWORD, or what ttun mesh password prints`,
    );
  }
  return logins;
}

async function read(path: string, kind: SecretKind, context: Context): Promise<string> {
  return new TextDecoder().decode(await readSecretFile(path, kind, context, denoKeyEnvironment));
}
