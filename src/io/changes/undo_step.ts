import type { ProxySetting, StoreProgram } from "../desktop/proxy_setting.ts";

/** RTPROT of no other program (rtnetlink.h): marks routes and rules of ttun. */
export const TTUN_PROTOCOL = 116;

/**
 * A change of this machine, with what it takes to undo it exactly. A new kind has a member here and
 * a function in undo.ts. The journal keeps it as JSON.
 */
export type UndoStep =
  /** A routing rule with ttun's protocol. */
  | {
    readonly kind: "rule";
    readonly family: 4 | 6;
    readonly priority: number;
    readonly table: number;
    readonly mark?: number;
  }
  /** All routes with ttun's protocol in a table that had none before. */
  | { readonly kind: "routes"; readonly table: number }
  /** A route of the main table by a device, which stays when its process ends. */
  | {
    readonly kind: "deviceRoute";
    readonly device: string;
    readonly to: string;
    /** The interface's: another one may have the name by now. Files of earlier versions lack it. */
    readonly index?: number;
  }
  /** A table of nftables that was not there before. */
  | { readonly kind: "nft"; readonly family: "inet" | "ip" | "ip6"; readonly table: string }
  /** Chains of iptables with the built-in chains of that table that jump to them. */
  | {
    readonly kind: "iptables";
    readonly program: "iptables" | "ip6tables";
    readonly table: "filter" | "mangle" | "nat";
    /** Names of ttun's chains by those of the built-in ones. */
    readonly chains: Readonly<Record<string, string>>;
  }
  /** The file of name servers, whose former one is kept beside it. */
  | { readonly kind: "resolvConf"; readonly path: string }
  /** Name servers of an interface, as the program resolvconf knows it. */
  | { readonly kind: "resolvconf"; readonly name: string }
  /** Name servers of a device, as systemd-resolved knows it. */
  | { readonly kind: "resolved"; readonly device: string; readonly index?: number }
  /** A file of /proc/sys. It is left alone when it has another value than `after` meanwhile. */
  | {
    readonly kind: "sysctl";
    readonly path: string;
    readonly before: string;
    readonly after: string;
  }
  /** The proxy setting of the user's desktop. It is left alone when it is not `after` any more. */
  | {
    readonly kind: "desktopProxy";
    readonly by: StoreProgram;
    readonly before: ProxySetting;
    readonly after: ProxySetting;
  };

export type UndoKind = UndoStep["kind"];

/**
 * True for a step whose undoing takes away no more than what ttun makes, by its protocol or its names:
 * a journal may be another user's, and root repairs it.
 */
export function isHarmless({ kind }: UndoStep): boolean {
  return kind === "rule" || kind === "routes" || kind === "nft" || kind === "iptables";
}

/** True for a change of one call to the system, which is made as a whole or not at all. */
export function isOneCall({ kind }: UndoStep): boolean {
  return kind === "rule" || kind === "deviceRoute" || kind === "nft" || kind === "sysctl";
}

/** True for a change of a file; all others are gone when the machine has booted. */
export function outlivesBoot({ kind }: UndoStep): boolean {
  return kind === "resolvConf" || kind === "desktopProxy";
}

/** True for a change that is the user's, whatever network namespace ttun was in. */
export function isOfAnyNetwork({ kind }: UndoStep): boolean {
  return kind === "desktopProxy";
}

/** Words for the log, as "the routes of table 29812". */
export function describeStep(step: UndoStep): string {
  switch (step.kind) {
    case "rule":
      return `the IPv${step.family} rule ${step.priority} for table ${step.table}`;
    case "routes":
      return `the routes of table ${step.table}`;
    case "deviceRoute":
      return `the route to ${step.to} by ${step.device}`;
    case "nft":
      return `the nftables table ${step.family} ${step.table}`;
    case "iptables":
      return `the ${step.program} chains ${Object.values(step.chains).join(", ")}`;
    case "resolvConf":
      return `the name servers in ${step.path}`;
    case "resolvconf":
      return `the name servers of ${step.name} (resolvconf)`;
    case "resolved":
      return `the name servers of ${step.device} (resolvectl)`;
    case "sysctl":
      return `${sysctlName(step.path)} = ${step.after}`;
    case "desktopProxy":
      return `the desktop's proxy setting (${step.by})`;
  }
}

function sysctlName(path: string): string {
  return path.replace(/^\/proc\/sys\//, "").replaceAll("/", ".");
}
