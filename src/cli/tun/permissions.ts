import { hookNeedsFile, SHELL } from "./hooks.ts";
import type { Need, Revocable } from "../platform/permissions.ts";
import { freshPath, keptPath, RESOLV_CONF } from "../../io/netcfg/resolv_conf_file.ts";
import { DARWIN_PROGRAMS } from "../../io/netcfg/darwin.ts";
import { WINDOWS_PROGRAMS } from "../../io/netcfg/windows.ts";
import { ownFolder } from "../status/folders.ts";
import { dnsOf } from "./conflicts.ts";
import type { Role } from "./default_addresses.ts";
import type { TunFlags } from "./options.ts";
import type { TunConfig, TunFacts } from "./plane_config.ts";

type Hooks = { readonly up: string | undefined; readonly down: string | undefined };

/** Programs for systems whose devices are not configured by system calls. */
const ADDRESS_PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  darwin: DARWIN_PROGRAMS,
  windows: WINDOWS_PROGRAMS,
};

/** A Worker shares its parent's permissions; what the data plane has opened stays usable. */
export function stillNeeded(config: TunConfig, hooks: Hooks, facts: TunFacts): Revocable[] {
  const keep: Revocable[] = [];
  const isLinux = Deno.build.os === "linux";
  if (!isLinux || config.io === "deno" || config.end.role === "client") keep.push("net");
  const mayLearn = config.end.role === "client" && config.wire === "auto";
  const keepsLeases = config.end.role === "server" && config.end.many !== undefined;
  if (mayLearn || keepsLeases) keep.push("read", "write", "sys"); // state_file.ts
  // The journal of changes, their undoing, and the programs that do it.
  if (config.gateway !== null || config.nat !== null || config.dns !== null) {
    keep.push("read", "write", "run", "sys");
  } else if (config.acceptRoutes && config.device !== undefined) {
    keep.push("read", "write", "sys"); // the journal of routes by a device that stays
  }
  // Other systems poll this machine's addresses to notice a new path to the server.
  if (!isLinux && config.end.role === "client") keep.push("sys");
  // Hooks; other systems also use programs to assign and remove addresses.
  const hasHooks = hooks.up !== undefined || hooks.down !== undefined;
  if (!isLinux || hasHooks) keep.push("run");
  if (hasHooks && hookNeedsFile(facts)) keep.push("read", "write", "env", "sys"); // hook_lists.ts
  return keep;
}

/** Deno complains of programs in a set that do not exist. */
export function permissionSet(role: Role): string {
  return Deno.build.os === "windows" ? `${role}-windows` : role;
}

export function needs(role: Role, options: TunFlags): Need[] {
  const all: Need[] = [
    { permission: { name: "ffi" }, purpose: "open the TUN device" },
    { permission: { name: "net" }, purpose: role === "server" ? "listen" : "connect" },
    { permission: { name: "read" }, purpose: "start the data plane" },
  ];
  for (const command of ADDRESS_PROGRAMS[Deno.build.os] ?? []) {
    all.push({ permission: { name: "run", command }, purpose: "give the device its addresses" });
  }
  const changes = "server" in options
    ? options.defaultRoute || options.killSwitch || dnsOf(options) !== null
    : options.nat !== undefined;
  if (changes) {
    const purpose = "write down what is changed on this machine";
    const path = ownFolder();
    if (path !== null) all.push({ permission: { name: "write", path }, purpose });
  }
  if ("server" in options && dnsOf(options) !== null) {
    for (const path of [RESOLV_CONF, keptPath(RESOLV_CONF), freshPath(RESOLV_CONF)]) {
      all.push({ permission: { name: "write", path }, purpose: "set the name servers" });
    }
  }
  const shell: Need["permission"] = { name: "run", command: SHELL };
  if (options.up !== undefined || options.down !== undefined) {
    all.push({ permission: shell, purpose: "run the --up and --down commands" });
  }
  if ("server" in options && options.server.scheme === "exec") {
    all.push({ permission: shell, purpose: "run the command of --server" });
  }
  return all;
}
