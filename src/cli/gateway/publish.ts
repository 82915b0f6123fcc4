import { resolve } from "node:path";
import { TtunError } from "../../base/errors.ts";
import type { PublishTarget } from "../../core/gateway/publish_target.ts";
import { hashesOf, readLogins, type VisitorRules } from "../../core/gateway/visitor_rules.ts";
import type { RunContext } from "../command/context.ts";
import { openControlLibc } from "../../../ffi/linux/libc.ts";
import { PlaneHandle } from "../plane/plane_handle.ts";
import { chooseIo } from "../platform/open_sockets.ts";
import { requirePermissions, socketNeeds } from "../platform/permissions.ts";
import { print } from "../output/stdout.ts";
import { rng } from "../platform/rng.ts";
import { denoKeyEnvironment } from "../secrets/key_environment.ts";
import { readSecretFile, type SecretKind } from "../secrets/secret_file.ts";
import { KeptNames } from "./kept_names.ts";
import { agentFolder, authoritiesFile, readAgent } from "./agent_folder.ts";
import type { PublishFlags } from "./options.ts";
import type { AgentConfig, TunnelConfig } from "./plane_config.ts";

const LOGINS: SecretKind = { file: "file of logins", question: "NAME:PASSWORD: " };
const TOKEN: SecretKind = { file: "token file", question: "Token: " };

/** Publishes a service until it is stopped. @throws {TtunError} */
export async function runPublish(options: PublishFlags, context: RunContext): Promise<number> {
  const folder = agentFolder(options.data);
  const io = chooseIo("auto");
  requirePermissions([
    ...socketNeeds(io, options.inspect === undefined ? "connect" : "listen and connect"),
    { permission: { name: "write", path: folder }, purpose: `keep a certificate in ${folder}` },
  ]);
  const state = readAgent(folder);
  const rules = await visitorRules(options, context);
  const config: AgentConfig = {
    kind: "agent",
    ...{ user: undefined, aead: "auto", status: null, metrics: null, io },
    folder,
    ...state,
    ca: authoritiesFile(folder),
    tunnels: namedTunnels(options, folder, rules),
    inspect: options.inspect ?? null,
  };
  using libc = config.io === "ffi" ? openControlLibc() : null;
  await using plane = new PlaneHandle<object, null>(config, { libc, context });
  let printing = Promise.resolve();
  await plane.run({
    print: (line) => {
      printing = printing.then(() => print(`${line}\n`, context.signal));
    },
    prepare: () => Promise.resolve(null),
  });
  await printing;
  context.signal.throwIfAborted();
  return 0;
}

/** @throws {TtunError} usage, if names are missing or twice there */
function namedTunnels(
  { target: targets, name, list: isListed }: PublishFlags,
  folder: string,
  rules: VisitorRules,
): TunnelConfig[] {
  if (name !== undefined && (targets.length > 1 || targets[0]!.name !== null)) {
    throw new TtunError(
      "usage",
      "Cannot use --name here: write the names of several targets as NAME=TARGET",
    );
  }
  const kept = new KeptNames(folder);
  const tunnels = targets.map(({ name: own, target: written }) => {
    const target = absolute(written);
    return { name: own ?? name ?? kept.nameOf(target), target, isListed, rules };
  });
  const names = new Set(tunnels.map(({ name }) => name));
  if (names.size === tunnels.length) return tunnels;
  throw new TtunError("usage", "Cannot publish two targets at one name");
}

/** Folders are seen from where ttun was called. */
function absolute(target: PublishTarget): PublishTarget {
  return target.kind === "folder" ? { ...target, path: resolve(target.path) } : target;
}

/** @throws {TtunError} usage, privilege, if a file cannot be used */
async function visitorRules(
  { basicAuth, bearerFile, allow = [] }: PublishFlags,
  context: RunContext,
): Promise<VisitorRules> {
  const read = async (path: string, kind: SecretKind) =>
    new TextDecoder().decode(await readSecretFile(path, kind, context, denoKeyEnvironment));
  const salt = rng(16);
  const text = basicAuth === undefined ? null : await read(basicAuth, LOGINS);
  const logins = text === null ? [] : readLogins(text);
  if (logins === null) {
    throw new TtunError("usage", `Cannot use ${basicAuth}: write lines of NAME:PASSWORD`);
  }
  const token = bearerFile === undefined ? null : (await read(bearerFile, TOKEN)).trim();
  if (token === "") throw new TtunError("usage", `Cannot use ${bearerFile}: it is empty`);
  const hashes = hashesOf(salt, logins, token);
  return {
    allow: allow.length === 0 ? null : allow,
    hashes: hashes.length === 0 ? null : hashes,
    salt,
    asksBrowser: text !== null,
  };
}
