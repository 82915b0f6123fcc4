import { parseCidr } from "../../base/addr.ts";
import { type ProxySetting, STORE_PROGRAMS } from "../desktop/proxy_setting.ts";
import { RESOLV_CONF } from "../netcfg/resolv_conf_file.ts";
import type { UndoKind, UndoStep } from "./undo_step.ts";

type StepOf<K extends UndoKind> = Extract<UndoStep, { kind: K }>;

/** The members of a step as they are in the file. */
type Members = Readonly<Record<string, unknown>>;

const SYSCTL = /^\/proc\/sys\/net\/ipv[46](\/[\w@+:-][\w.@+:-]*)+$/;
const SETTING = /^-?\d{1,10}$/;
const LINK = /^(?!-)[^\s/\p{C}]{1,15}$/u;
const RESOLVCONF_SUFFIX = ".ttun";
const MOST_U32 = 0xffff_ffff;

const VALID: { readonly [K in UndoKind]: (it: Members) => StepOf<K> | null } = {
  rule: ({ family, priority, table, mark }) => {
    const isValid = (family === 4 || family === 6) && isU32(priority) && isU32(table) &&
      isOptionalU32(mark);
    if (!isValid) return null;
    return { kind: "rule", family, priority, table, ...(mark !== undefined && { mark }) };
  },
  routes: ({ table }) => isU32(table) ? { kind: "routes", table } : null,
  deviceRoute: ({ device, to, index }) =>
    isLink(device) && isCidr(to) && isOptionalU32(index)
      ? { kind: "deviceRoute", device, to, ...(index !== undefined && { index }) }
      : null,
  nft: ({ family, table }) =>
    isOneOf(family, ["inet", "ip", "ip6"]) && isLike(table, /^ttun_[a-z0-9_]{1,58}$/)
      ? { kind: "nft", family, table }
      : null,
  iptables: ({ program, table, chains }) =>
    isOneOf(program, ["iptables", "ip6tables"]) && isOneOf(table, ["filter", "mangle", "nat"]) &&
      isChains(chains)
      ? { kind: "iptables", program, table, chains }
      : null,
  resolvConf: ({ path }) => path === RESOLV_CONF ? { kind: "resolvConf", path } : null,
  resolvconf: ({ name }) =>
    typeof name === "string" && name.endsWith(RESOLVCONF_SUFFIX) &&
      isLink(name.slice(0, -RESOLVCONF_SUFFIX.length))
      ? { kind: "resolvconf", name }
      : null,
  resolved: ({ device, index }) =>
    isLink(device) && isOptionalU32(index)
      ? { kind: "resolved", device, ...(index !== undefined && { index }) }
      : null,
  sysctl: ({ path, before, after }) =>
    isLike(path, SYSCTL) && isLike(before, SETTING) && isLike(after, SETTING)
      ? { kind: "sysctl", path, before, after }
      : null,
  desktopProxy: ({ by, before, after }) =>
    isOneOf(by, STORE_PROGRAMS) && isSetting(before) && isSetting(after)
      ? { kind: "desktopProxy", by, before, after }
      : null,
};

/**
 * Returns the step, if it is one that ttun makes: else null. A journal is not believed because of its
 * owner alone: a process that began as root and is another user's since then still writes to its own,
 * and root undoes what is in it.
 */
export function validStep(value: unknown): UndoStep | null {
  if (typeof value !== "object" || value === null) return null;
  const members = value as Members;
  const { kind } = members;
  return typeof kind === "string" && isKnownKind(kind) ? VALID[kind](members) : null;
}

function isKnownKind(kind: string): kind is UndoKind {
  return Object.hasOwn(VALID, kind);
}

function isU32(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MOST_U32;
}

function isOptionalU32(value: unknown): value is number | undefined {
  return value === undefined || isU32(value);
}

function isLike(value: unknown, pattern: RegExp): value is string {
  return typeof value === "string" && pattern.test(value);
}

/** Programs would take a name that begins with "-" for an option. */
function isLink(value: unknown): value is string {
  return isLike(value, LINK);
}

function isCidr(value: unknown): value is string {
  if (!isLike(value, /^[0-9a-f:./]+$/)) return false;
  try {
    parseCidr(value);
    return true;
  } catch {
    return false;
  }
}

function isOneOf<T extends string>(value: unknown, words: readonly T[]): value is T {
  return words.some((word) => word === value);
}

/** Programs would take a value that begins with "-" for an option. */
function isSetting(value: unknown): value is ProxySetting {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.entries(value).flat().every((text) => isLike(text, /^(?!-)[^\p{C}]{0,2048}$/u));
}

function isChains(value: unknown): value is Readonly<Record<string, string>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.entries(value).every(([builtIn, chain]) =>
      /^[A-Z]{1,28}$/.test(builtIn) && isLike(chain, /^ttun-[a-z0-9_-]{1,23}$/)
    );
}
