/**
 * Which congestion control the hosts of a benchmark use, for all programs alike. Most systems have
 * CUBIC, where one has BBR it paces what it sends: on loopback and between namespaces, without any
 * delay to measure, a timer of the kernel's is then what limits whoever writes much at once. A
 * namespace may choose Reno, which sends as CUBIC does where nothing is lost.
 */
import type { Host } from "../netns.ts";

export function useReno(...hosts: Host[]): Promise<void> {
  return useCongestion("reno", ...hosts);
}

/** `name`: the kernel's, or `system` for what new namespaces have. */
export async function useCongestion(name: string, ...hosts: Host[]): Promise<void> {
  if (name === "system") return;
  for (const host of hosts) {
    await host.sh(`echo ${name} >/proc/sys/net/ipv4/tcp_congestion_control`);
  }
}
