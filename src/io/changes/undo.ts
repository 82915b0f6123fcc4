import { parseCidr } from "../../base/addr.ts";
import { NativeError } from "../../../ffi/native.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { Netlink } from "../../../ffi/linux/netlink.ts";
import { isSameSetting } from "../desktop/proxy_setting.ts";
import { storeOf } from "../desktop/proxy_store.ts";
import { isThere } from "../files/present.ts";
import { keptPath, putBack, readTextFile } from "../netcfg/resolv_conf_file.ts";
import { isWrittenByTtun } from "../netcfg/written_resolv_conf.ts";
import { takeAway } from "./run_program.ts";
import { sysctlsOfOthers } from "./others.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";
import { TTUN_PROTOCOL, type UndoKind, type UndoStep } from "./undo_step.ts";

type StepOf<K extends UndoKind> = Extract<UndoStep, { kind: K }>;

/** Words of the programs for what is not there. */
const ABSENT = {
  nft: /No such file or directory/,
  /** The last ones are of a kernel without that table or family. */
  iptables: new RegExp(
    "No chain/target/match by that name|does a matching rule exist|Chain '[^']*' does not exist|" +
      "Couldn't load target|Table does not exist|Address family not supported",
  ),
  resolvconf: /No resolv\.conf/,
  /** The last one is of a machine where systemd-resolved is not there any more. */
  resolved: /No such device|Unknown interface|Link \d+ not known|service not found/,
} as const;

/** Returns true if there was something to undo. */
type Undo<K extends UndoKind> = (step: StepOf<K>, libc: Libc, others: string | null) => boolean;

const UNDO: { readonly [K in UndoKind]: Undo<K> } = {
  rule: undoRule,
  routes: undoRoutes,
  deviceRoute: undoDeviceRoute,
  nft: ({ family, table }) => takeAway(["nft", "delete", "table", family, table], ABSENT.nft),
  iptables: undoIptables,
  resolvConf: ({ path }) => {
    const text = readTextFile(path);
    const isOurs = text !== null && isWrittenByTtun(text);
    const isLost = (text === null || text.trim() === "") && isThere(keptPath(path));
    if (isOurs || isLost) putBack(path);
    return isOurs || isLost; // else it is another program's
  },
  resolvconf: ({ name }) => takeAway(["resolvconf", "-d", name], ABSENT.resolvconf),
  resolved: ({ device, index }, libc) =>
    !isOfOther(libc, device, index) &&
    takeAway(["resolvectl", "revert", device], ABSENT.resolved),
  sysctl: ({ path, before, after }, libc, others) => {
    if (readSysctl(libc, path) !== after) return false;
    const isShared = others !== null &&
      sysctlsOfOthers(libc, others).flat().some((step) => step.path === path);
    if (isShared) return false; // the other one puts it back
    writeSysctl(libc, path, before);
    return true;
  },
  desktopProxy: ({ by, before, after }) => {
    const store = storeOf(by);
    if (!isSameSetting(store.read(), after)) return false;
    store.write(before);
    return true;
  },
};

/**
 * Undoes a change as far as it is still as ttun made it. Returns true if there was something to
 * undo. `others`: the folder of the journals of processes that may need it too; null = there are none.
 * @throws {NativeError | TtunError | Error} the system's refusal
 */
export function undoStep(
  step: UndoStep,
  libc: Libc,
  others: string | null = null,
): boolean {
  const undo = UNDO[step.kind] as Undo<UndoKind>;
  return undo(step, libc, others);
}

function undoRule({ family, priority, table }: StepOf<"rule">, libc: Libc): boolean {
  using netlink = new Netlink(libc);
  const ours = netlink.rules().filter((rule) =>
    rule.family === family && rule.priority === priority && rule.table === table &&
    rule.protocol === TTUN_PROTOCOL
  );
  for (const rule of ours) tryRemove(() => netlink.removeRule(rule));
  return ours.length > 0;
}

function undoRoutes({ table }: StepOf<"routes">, libc: Libc): boolean {
  using netlink = new Netlink(libc);
  const ours = netlink.tableRoutes(table).filter(({ protocol }) => protocol === TTUN_PROTOCOL);
  for (const route of ours) tryRemove(() => netlink.removeRoute(route));
  return ours.length > 0;
}

function undoDeviceRoute({ device, to, index }: StepOf<"deviceRoute">, libc: Libc): boolean {
  if (isOfOther(libc, device, index)) return false;
  using netlink = new Netlink(libc);
  try {
    const link = netlink.link(device);
    netlink.removeRoute({ index: link.index, to: parseCidr(to) });
    return true;
  } catch (error) {
    if (error instanceof NativeError && error.is("ENOENT", "ESRCH", "ENODEV")) return false;
    throw error;
  }
}

/** Returns true if an interface of another index has the name by now. `index` undefined: unknown. */
function isOfOther(libc: Libc, device: string, index: number | undefined): boolean {
  if (index === undefined) return false;
  using netlink = new Netlink(libc);
  try {
    return netlink.link(device).index !== index;
  } catch (error) {
    if (error instanceof NativeError && error.is("ENODEV")) return false;
    throw error;
  }
}

function tryRemove(remove: () => void): void {
  try {
    remove();
  } catch (error) {
    if (!(error instanceof NativeError && error.is("ENOENT", "ESRCH", "ENODEV"))) throw error;
  }
}

function undoIptables({ program, table, chains }: StepOf<"iptables">): boolean {
  let found = false;
  for (const [builtIn, chain] of Object.entries(chains)) {
    const run = (...args: string[]) => [program, "-w", "-t", table, ...args];
    while (takeAway(run("-D", builtIn, "-j", chain), ABSENT.iptables)) found = true;
    if (!takeAway(run("-F", chain), ABSENT.iptables)) continue;
    found = true;
    takeAway(run("-X", chain), ABSENT.iptables);
  }
  return found;
}
