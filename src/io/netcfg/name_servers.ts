import type { Libc } from "../../../ffi/linux/libc.ts";
import { Netlink } from "../../../ffi/linux/netlink.ts";
import { NativeError } from "../../../ffi/native.ts";
import { TtunError } from "../../base/errors.ts";
import type { Change, Journal } from "../changes/journal.ts";
import { isHeldByOther } from "../changes/others.ts";
import { canRun, mustRun } from "../changes/run_program.ts";
import { undoStep } from "../changes/undo.ts";
import type { UndoStep } from "../changes/undo_step.ts";
import { isThere } from "../files/present.ts";
import {
  keptPath,
  readTextFile,
  replaceFile,
  RESOLV_CONF,
  setKeptAside,
} from "./resolv_conf_file.ts";
import { type NameServerSettings, writeResolvConf } from "./written_resolv_conf.ts";

/** Ways to set name servers, and the words for the log. */
export type NameServerWay = "systemd-resolved" | "resolvconf" | "/etc/resolv.conf";

/** The addresses of systemd-resolved's own name server. */
const STUB = /^nameserver\s+127\.0\.0\.5[34]\s*$/m;

/** Returns the way that this machine's programs get their name servers by. */
function findWay(path: string): NameServerWay {
  const text = readTextFile(path) ?? "";
  const target = linkTarget(path);
  const isStub = STUB.test(text) || target.includes("/systemd/resolve/");
  if (isStub && canRun(["resolvectl", "dns"])) return "systemd-resolved";
  const isResolvconfs = /^#.*resolvconf/m.test(text) || target.includes("resolvconf");
  return isResolvconfs && canRun(["/bin/sh", "-c", "command -v resolvconf"])
    ? "resolvconf"
    : "/etc/resolv.conf";
}

function linkTarget(path: string): string {
  try {
    return Deno.lstatSync(path).isSymlink ? Deno.readLinkSync(path) : "";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

export interface NameServerTools {
  readonly libc: Libc;
  readonly journal: Journal;
  /** The journal's folder. */
  readonly folder: string;
}

/** Name servers that this process has set on the machine. */
export class NameServers {
  readonly way: NameServerWay;
  readonly #libc: Libc;
  readonly #change: Change;

  /** @throws {TtunError} privilege, system, in_use; the system's refusal */
  constructor(device: string, settings: NameServerSettings, o: NameServerTools) {
    const { libc, journal } = o;
    this.#libc = libc;
    const path = RESOLV_CONF;
    this.way = findWay(path);
    switch (this.way) {
      case "systemd-resolved":
        this.#change = journal.make(
          { kind: "resolved", device, index: indexOf(libc, device) },
          () => tellResolved(device, settings),
        );
        return;
      case "resolvconf": {
        const name = `${device}.ttun`;
        this.#change = journal.make(
          { kind: "resolvconf", name },
          () => tellResolvconf(name, settings),
        );
        return;
      }
      case "/etc/resolv.conf":
        takeBackOld({ kind: "resolvConf", path }, path, o);
        this.#change = journal.make({ kind: "resolvConf", path }, () => {
          const text = writeResolvConf(settings, readTextFile(path), keptPath(path));
          replaceFile(path, text);
        });
        return;
      default:
        throw this.way satisfies never;
    }
  }

  /** Returns false if another program has changed them meanwhile. @throws the system's refusal */
  takeBack(): boolean {
    const { step, forget } = this.#change;
    // systemd-resolved forgets an interface's name servers with the interface.
    const isGone = step.kind === "resolved" && !hasLink(this.#libc, step.device);
    const isOurs = isGone || undoStep(step, this.#libc);
    forget();
    return isOurs;
  }
}

/** The file of a ttun that was killed before the machine booted may still be there. */
function takeBackOld(step: UndoStep, path: string, { libc, folder }: NameServerTools): void {
  if (!isThere(keptPath(path))) return;
  if (isHeldByOther(libc, folder, step.kind)) {
    throw new TtunError(
      "in_use",
      `Cannot set the name servers in ${path}: another ttun has done so; end that one first`,
    );
  }
  if (!undoStep(step, libc)) setKeptAside(path);
}

function hasLink(libc: Libc, device: string): boolean {
  try {
    indexOf(libc, device);
    return true;
  } catch (error) {
    if (error instanceof NativeError && error.is("ENODEV")) return false;
    throw error;
  }
}

function indexOf(libc: Libc, device: string): number {
  using netlink = new Netlink(libc);
  return netlink.link(device).index;
}

function tellResolved(device: string, { servers, search }: NameServerSettings): void {
  mustRun(["resolvectl", "dns", device, ...servers]);
  mustRun(["resolvectl", "domain", device, "~.", ...search]); // ~. has all names asked there
  canRun(["resolvectl", "default-route", device, "yes"]); // systemd 240 and later
}

/** Name servers of others are not asked meanwhile (-x), where this resolvconf knows that. */
function tellResolvconf(name: string, { servers, search }: NameServerSettings): void {
  const lines = [
    ...servers.map((server) => `nameserver ${server}`),
    ...(search.length === 0 ? [] : [`search ${search.join(" ")}`]),
  ];
  const script = `resolvconf -a "$1" -m 0 -x <<'END'\n${lines.join("\n")}\nEND`;
  mustRun(["/bin/sh", "-c", script, "sh", name]);
}
