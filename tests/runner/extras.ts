/** Packages that some tests use: installed where that works, else their tests say why they are skipped. */

import { textOf } from "./child.ts";

/** How a package's presence is seen, and what its installation needs beside apt-get. */
interface Extra {
  /** Shell code that succeeds when the package, or what stands for it, is there. */
  readonly isThere: string;
  /** Shell code to run before the installation, and what it means, to be told. */
  readonly before?: { readonly script: string; readonly words: string };
  /**
   * Only unpacked, below UNPACKED: the package's scripts would make users and start a service, or it
   * depends on more than what is used of it.
   */
  readonly isUnpacked?: true;
}

/** Folder of packages that are unpacked, each in one of its name. */
export const UNPACKED = `${
  Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/root"}/.cache`
}/ttun-test-packages`;

/** Debian's packages by name. */
export const EXTRAS = {
  "bind9-dnsutils": { isThere: "command -v dig" },
  buildah: { isThere: "command -v buildah" },
  busybox: { isThere: "command -v busybox" },
  caddy: { isThere: `test -x ${UNPACKED}/caddy/usr/bin/caddy`, isUnpacked: true },
  chromium: { isThere: "command -v chromium" },
  debootstrap: { isThere: "command -v debootstrap" },
  "etcd-server": {
    isThere: `test -x ${UNPACKED}/etcd-server/usr/bin/etcd`,
    isUnpacked: true,
  },
  fish: { isThere: "command -v fish" },
  "groff-base": { isThere: "command -v groff" },
  libjemalloc2: { isThere: `test -d ${UNPACKED}/libjemalloc2/usr/lib`, isUnpacked: true },
  liblzf1: { isThere: `test -d ${UNPACKED}/liblzf1/usr/lib`, isUnpacked: true },
  libtoxcore2: { isThere: "ldconfig -p | grep -q libtoxcore.so.2" },
  "nghttp2-client": { isThere: "command -v h2load" },
  "nginx-light": { isThere: "command -v nginx" },
  "openssh-server": {
    isThere: "test -x /usr/sbin/sshd",
    before: {
      // ssh.service, ssh.socket and the init script all look for this file.
      script: "mkdir -p /etc/ssh && touch /etc/ssh/sshd_not_to_be_run",
      words: "its service does not start, until /etc/ssh/sshd_not_to_be_run is removed",
    },
  },
  pebble: { isThere: `test -x ${UNPACKED}/pebble/usr/bin/pebble`, isUnpacked: true },
  postgresql: { isThere: "ls /usr/lib/postgresql/*/bin/postgres" },
  "python3-h2": { isThere: "/usr/bin/python3 -c 'import h2'" },
  "python3-socks": { isThere: "/usr/bin/python3 -c 'import socks'" },
  "redis-tools": {
    isThere: `test -x ${UNPACKED}/redis-tools/usr/bin/redis-check-rdb`,
    isUnpacked: true,
  },
  rsync: { isThere: "command -v rsync" },
  shellcheck: { isThere: "command -v shellcheck" },
  "toxcore-utils": {
    isThere: `test -x ${UNPACKED}/toxcore-utils/usr/bin/DHT_bootstrap`,
    isUnpacked: true,
  },
  zsh: { isThere: "command -v zsh" },
} as const satisfies Record<string, Extra>;

export type ExtraName = keyof typeof EXTRAS;

/**
 * Shell code that installs a package. No service is started by it: invoke-rc.d asks policy-rc.d
 * (/usr/share/doc/sysv-rc/README.policy-rc.d), and 101 forbids.
 */
export function installScript(name: ExtraName): string {
  const { before, isUnpacked }: Extra = EXTRAS[name];
  if (isUnpacked === true) return unpackScript(name);
  const command = `apt-get install -y --no-install-recommends ${name} >/dev/null`;
  return `
    export DEBIAN_FRONTEND=noninteractive
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
      trap 'rm -f "$policy"' EXIT
      printf '#!/bin/sh\\nexit 101\\n' >$policy
      chmod 755 $policy
    fi
    ${before?.script ?? ":"}
    ${command} || { apt-get update -qq && ${command}; }`;
}

/** Shell code that unpacks a package in one step, so that half a package is none. */
function unpackScript(name: ExtraName): string {
  const fetch = `apt-get download ${name} >/dev/null 2>&1`;
  return `
    mkdir -p ${UNPACKED}
    folder=$(mktemp -d ${UNPACKED}/new.XXXXXX)
    trap 'rm -rf "$folder"' EXIT
    cd "$folder"
    ${fetch} || { apt-get update -qq && ${fetch}; }
    dpkg -x ${name}_*.deb "$folder/${name}"
    rm -rf ${UNPACKED}/${name}
    mv "$folder/${name}" ${UNPACKED}/${name}`;
}

/** Installs as root what is missing, and tells what it does. */
export async function provideExtras(names: readonly ExtraName[]): Promise<void> {
  if (Deno.uid() !== 0) return;
  for (const name of names) {
    const { isThere, before, isUnpacked }: Extra = EXTRAS[name];
    const look = async () => await textOf("sh", ["-c", isThere]) !== null;
    if (await look()) continue;
    const command = isUnpacked === true
      ? `apt-get download ${name}; dpkg -x, into ${UNPACKED}`
      : `apt-get install -y --no-install-recommends ${name}`;
    console.log(`Missing: ${name}. Running: ${command}`);
    if (before !== undefined) console.log(`${name}: ${before.words}`);
    await textOf("sh", ["-euc", installScript(name)]);
    if (!await look()) console.log(`${name} cannot be installed here: its tests are skipped`);
  }
}
