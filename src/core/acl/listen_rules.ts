import {
  ALL_ADDRESSES,
  formatListenRule,
  listenHost,
  type ListenRule,
  type PortListenRule,
} from "./listen_rule.ts";
import { hasPort } from "./ports.ts";
import { normalPath } from "./socket_path.ts";

/** Decision about a listen of a client (`-R`). */
export type ListenDecision<Place> =
  | ({ readonly isAllowed: true } & Place)
  | { readonly isAllowed: false; readonly why: string };

const LOOPBACK = "127.0.0.1";

/**
 * Decides where clients may listen on a server: `--permit-listen`. Nothing is allowed without a
 * rule. A rule without an address is for 127.0.0.1, one with `*` for all addresses at once and for
 * each of them. Port 0, which the system replaces by a free one, takes a rule that has it.
 */
export class ListenRules {
  #ports: readonly PortListenRule[] = [];
  #paths: ReadonlySet<string> = new Set();

  constructor(rules: readonly ListenRule[]) {
    this.replace(rules);
  }

  /** Decides by other rules from now on; what listens already goes on. */
  replace(rules: readonly ListenRule[]): void {
    this.#ports = rules.filter((rule) => "port" in rule);
    this.#paths = new Set(rules.filter((rule) => "path" in rule).map(({ path }) => path));
  }

  /**
   * Judges an address and a port. `asked`: null = the client leaves the address to the server:
   * 127.0.0.1 if a rule without an address is for the port, else the address of the first rule that
   * is. The answer's `host` is where to listen; "" = all addresses.
   */
  judge(asked: string | null, port: number): ListenDecision<{ readonly host: string }> {
    const rules = this.#ports.filter((rule) => hasPort(rule.port, port));
    if (asked === null) {
      const rule = rules.find(({ host }) => host === null) ?? rules[0];
      return rule === undefined
        ? denied({ host: null, port })
        : { isAllowed: true, host: rule.host ?? LOOPBACK };
    }
    const host = listenHost(asked);
    if (host === null) {
      return { isAllowed: false, why: `${JSON.stringify(asked)} is no address to listen on` };
    }
    const isAllowed = rules.some((rule) =>
      rule.host === ALL_ADDRESSES || (rule.host ?? LOOPBACK) === host
    );
    return isAllowed ? { isAllowed, host } : denied({ host, port });
  }

  /** Judges a unix socket; the answer's `path` is where to listen. */
  judgePath(asked: string): ListenDecision<{ readonly path: string }> {
    const path = normalPath(asked);
    if (path === null) {
      return { isAllowed: false, why: `${JSON.stringify(asked)} is no path of a unix socket` };
    }
    return this.#paths.has(path) ? { isAllowed: true, path } : denied({ path });
  }
}

function denied(listen: Parameters<typeof formatListenRule>[0]): ListenDecision<never> {
  return {
    isAllowed: false,
    why: `no --permit-listen of the server is for it; start it with --permit-listen ${
      formatListenRule(listen)
    }`,
  };
}
