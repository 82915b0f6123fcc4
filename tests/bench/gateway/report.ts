/** Tables in Markdown of what was measured, and the targets. */
import { format, table } from "../results.ts";
import { median } from "../statistics.ts";
import type { Figures } from "./measure.ts";

export type Found = ReadonlyMap<string, readonly Figures[]>;

export function reportOf(found: Found): string {
  const of = (name: string, figure: (figures: Figures) => number) =>
    median((found.get(name) ?? []).map(figure));
  const rows = [...found.keys()].map((name) => [
    name,
    `${format(of(name, (o) => o.h1.perSecond), 0)} / ${format(of(name, (o) => o.h2.perSecond), 0)}`,
    `${format(of(name, (o) => o.h1.cpuUs), 0)} / ${format(of(name, (o) => o.h2.cpuUs), 0)}`,
    `${format(of(name, (o) => o.down.h1), 0)} / ${format(of(name, (o) => o.down.h2), 0)}`,
    `${format(of(name, (o) => o.up.h1), 0)} / ${format(of(name, (o) => o.up.h2), 0)}`,
    `${format(of(name, (o) => o.handshakes.perSecond), 0)}, ${
      format(of(name, (o) => o.handshakes.cpuUs), 0)
    }`,
  ]);
  const head = [
    ...["HTTP/1.1 / HTTP/2", "requests/s", "CPU µs each", "MB/s down", "MB/s up"],
    "handshakes/s, CPU µs each",
  ];
  return [table(head, rows), "Targets:", targetsOf(of).join("\n")].join("\n\n");
}

const [OURS, NGINX, CADDY] = ["ttun: node, agent", "nginx", "Caddy"] as const;

/**
 * The way by node, link and agent stands beside single proxies: the ratios to nginx are those that were
 * set for a gateway that asks the service itself.
 */
function targetsOf(of: (name: string, figure: (figures: Figures) => number) => number): string[] {
  const ratio = (figure: (figures: Figures) => number, rival: string) =>
    of(OURS, figure) / of(rival, figure);
  return [
    atLeast("requests/s of HTTP/1.1, to Caddy's", ratio((o) => o.h1.perSecond, CADDY), 1),
    atLeast("requests/s of HTTP/2, to Caddy's", ratio((o) => o.h2.perSecond, CADDY), 1),
    atLeast("requests/s of HTTP/1.1, to nginx's", ratio((o) => o.h1.perSecond, NGINX), 0.75),
    atLeast("requests/s of HTTP/2, to nginx's", ratio((o) => o.h2.perSecond, NGINX), 0.5),
    atMost("CPU of a request of HTTP/1.1, to nginx's", ratio((o) => o.h1.cpuUs, NGINX), 2),
    atLeast("download of HTTP/1.1, to nginx's", ratio((o) => o.down.h1, NGINX), 0.8),
    atLeast("upload of HTTP/1.1, to nginx's", ratio((o) => o.up.h1, NGINX), 0.85),
    atLeast("upload of HTTP/2, MB/s", of(OURS, (o) => o.up.h2), 200),
    atMost("CPU of a handshake, to nginx's", ratio((o) => o.handshakes.cpuUs, NGINX), 1.3),
  ];
}

function atMost(what: string, value: number, most: number): string {
  return line(what, value, `at most ${most}`, value <= most);
}

function atLeast(what: string, value: number, least: number): string {
  return line(what, value, `at least ${least}`, value >= least);
}

function line(what: string, value: number, target: string, isMet: boolean): string {
  return `- ${what}: ${format(value, 2)}, target ${target}: ${isMet ? "met" : "missed"}`;
}
