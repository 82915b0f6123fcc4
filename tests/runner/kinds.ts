/** The kinds of test: which files belong to each, and what such a run may do and needs. */

import type { ExtraName } from "./extras.ts";

export const KINDS = {
  /** Logic alone: no permission at all. */
  pure: { args: ["--no-prompt"], namespace: false, programs: [], minutes: 10 },
  /** Sockets, files, native calls, processes. */
  io: {
    args: ["-A"],
    namespace: false,
    programs: [],
    extras: ["zsh", "fish", "groff-base", "shellcheck"],
    minutes: 15,
  },
  /** Devices and addresses, in a network namespace of the run's own. */
  root: {
    args: ["-A"],
    namespace: true,
    programs: ["ip", "ping", "iptables", "ip6tables", "nsenter", "setpriv"],
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
      "nsenter",
      "setpriv",
      "iperf3",
      "faketime",
      "tcpdump",
      "curl",
      "wget",
      "nc.openbsd",
      "ssh",
      "openssl",
      "ps",
      "python3",
    ],
    extras: ["chromium", "python3-socks", "openssh-server"],
    minutes: 40,
  },
  /** Hours of it; only when asked for. */
  soak: {
    args: ["-A"],
    namespace: true,
    programs: ["ip", "ss", "ping", "iptables", "ip6tables", "nsenter", "setpriv", "iperf3"],
    minutes: 48 * 60,
  },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof KINDS;

export interface Kind {
  /** For `deno test`. */
  args: readonly string[];
  /** Whether it runs in a network namespace of its own, as root. */
  namespace: boolean;
  /** What must be installed. */
  programs: readonly string[];
  /** Packages that are installed where that works; without one its tests say that they are skipped. */
  extras?: readonly ExtraName[];
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
  nsenter: "util-linux",
  setpriv: "util-linux",
  iperf3: "iperf3",
  faketime: "faketime",
  curl: "curl",
  wget: "wget",
  "nc.openbsd": "netcat-openbsd",
  ssh: "openssh-client",
  openssl: "openssl",
  ps: "procps",
  python3: "python3",
};

/** The kind of a file, by its path from the root; null when it is no test. */
export function kindOf(path: string): KindName | null {
  if (!path.endsWith("_test.ts")) return null;
  if (path.startsWith("tests/e2e/")) return "e2e";
  if (path.startsWith("tests/soak/")) return "soak";
  if (path.endsWith("_root_test.ts")) return "root";
  return path.endsWith("_io_test.ts") ? "io" : "pure";
}
