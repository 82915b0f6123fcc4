/** The kinds of test: which files belong to each, and what such a run may do and needs. */

import type { ExtraName } from "./extras.ts";

export const KINDS = {
  /** Logic alone: no permission at all. */
  pure: {
    args: ["--no-prompt", "--parallel"],
    namespace: false,
    programs: [],
    split: "no",
    minutes: 10,
  },
  /** Sockets, files, native calls, processes. */
  io: {
    args: ["-A"],
    namespace: false,
    programs: ["openssl"],
    extras: ["zsh", "fish", "groff-base", "shellcheck"],
    split: "halves",
    minutes: 15,
  },
  /** Devices and addresses, in a network namespace of the run's own. */
  root: {
    args: ["-A"],
    namespace: true,
    programs: ["ip", "ping", "iptables", "ip6tables", "nft", "nsenter", "setpriv"],
    split: "no",
    minutes: 20,
  },
  /** Real processes on hosts of their own, as users run them. */
  e2e: {
    args: ["-A"],
    namespace: true,
    programs: [
      "ip",
      "tc",
      "ss",
      "ping",
      "iptables",
      "ip6tables",
      "nft",
      "nsenter",
      "setpriv",
      "iperf3",
      "faketime",
      "tcpdump",
      "curl",
      "git",
      "wget",
      "nc.openbsd",
      "ssh",
      "openssl",
      "ps",
      "python3",
    ],
    extras: [
      "bind9-dnsutils",
      "busybox",
      "chromium",
      "etcd-server",
      "libtoxcore2",
      "nghttp2-client",
      "nginx-light",
      "python3-h2",
      "python3-socks",
      "openssh-server",
      "pebble",
      "rsync",
      "toxcore-utils",
    ],
    split: "files",
    minutes: 40,
  },
  /** Hours of it; only when asked for. */
  soak: {
    args: ["-A"],
    namespace: true,
    programs: ["ip", "ss", "ping", "iptables", "ip6tables", "nsenter", "setpriv", "iperf3", "curl"],
    extras: [
      "buildah",
      "debootstrap",
      "etcd-server",
      "libtoxcore2",
      "nghttp2-client",
      "pebble",
      "postgresql",
    ],
    split: "no",
    minutes: 48 * 60,
  },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof KINDS;

export interface Kind {
  /** For `deno test`. */
  args: readonly string[];
  /** True if it runs as root, in a network namespace of its own. */
  namespace: boolean;
  /** Programs that must be installed. */
  programs: readonly string[];
  /** Packages that are installed where that works; without one its tests say that they are skipped. */
  extras?: readonly ExtraName[];
  /**
   * The parts that run at the same time, two of them, in processes of their own: half of the files each,
   * or a file each, which is quicker where files take long and wait most of the time.
   */
  split: "no" | "halves" | "files";
  /** After this time the run is ended. */
  minutes: number;
}

/** The Debian packages that the programs are in. */
export const PACKAGE_OF: Record<string, string> = {
  ip: "iproute2",
  tc: "iproute2",
  ss: "iproute2",
  tcpdump: "tcpdump",
  ping: "iputils-ping",
  iptables: "iptables",
  ip6tables: "iptables",
  nft: "nftables",
  nsenter: "util-linux",
  setpriv: "util-linux",
  iperf3: "iperf3",
  faketime: "faketime",
  curl: "curl",
  git: "git",
  wget: "wget",
  "nc.openbsd": "netcat-openbsd",
  ssh: "openssh-client",
  openssl: "openssl",
  ps: "procps",
  python3: "python3",
};

/** How many processes run tests at the same time. */
export const JOBS = 2;

/** How many files that wait nearly all the time run beside these. */
export const WAITERS = 2;

/** Files that take longest: they begin first, or one of them is waited for at the end. */
const SLOW = ["traffic", "binary", "wire", "offload", "many", "setup", "identity"];

/** Files that wait nearly all the time, for a deadline or a dead peer, the longest first. */
const WAITING = [
  "failure",
  "liveness",
  "wire_strangers",
  "wire_replay",
  "outage",
  "debugger",
  "proxy_strangers",
  "tox",
  "tox_link",
  "etcd_store",
  "forward_pause",
];

/** True if a part of a run waits nearly all the time and so takes no other one's place. */
export function isWaiting(part: readonly string[]): boolean {
  return part.every((path) => path.startsWith("tests/e2e/") && WAITING.includes(nameOf(path)));
}

function nameOf(path: string): string {
  return /([^/]*)_test\.ts$/.exec(path)?.[1] ?? "";
}

/** The parts of a run that are processes of their own, in the order in which they begin. */
export function partsOf(files: readonly string[], split: Kind["split"]): string[][] {
  switch (split) {
    case "no":
      return [[...files]];
    case "halves":
      return Array.from({ length: JOBS }, (_, job) => files.filter((_, i) => i % JOBS === job));
    case "files": {
      const order = [...SLOW, ...WAITING];
      const rank = (path: string) => {
        const at = order.indexOf(nameOf(path));
        return at < 0 ? order.length : at;
      };
      return files.toSorted((a, b) => rank(a) - rank(b)).map((file) => [file]);
    }
    default:
      return split satisfies never;
  }
}

/** The kind of a file, by its path from the root; null when it is no test. */
export function kindOf(path: string): KindName | null {
  if (!path.endsWith("_test.ts")) return null;
  if (path.startsWith("tests/e2e/")) return "e2e";
  if (path.startsWith("tests/soak/")) return "soak";
  if (path.endsWith("_root_test.ts")) return "root";
  return path.endsWith("_io_test.ts") ? "io" : "pure";
}
