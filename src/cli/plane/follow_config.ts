import type { ListenRule } from "../../core/acl/listen_rule.ts";
import type { Rule } from "../../core/acl/rule.ts";
import type { RunContext } from "../command/context.ts";
import type { PlaneRules } from "./messages.ts";

/** Options of a server that count anew when its configuration is read again, by their keys. */
export interface RuleFlags {
  readonly allow: readonly (readonly Rule[])[] | undefined;
  readonly deny: readonly (readonly Rule[])[] | undefined;
  /** A proxy's server has none. */
  readonly permitListen?: readonly ListenRule[] | undefined;
}

const FOLLOWED: readonly string[] = ["allow", "deny", "permitListen"];

/**
 * Gives a running server the rules of its configuration whenever that is to be read again, and tells
 * which other options have changed. `replace`: null for a client, which has no rules. Connections
 * that are there go on.
 */
export function followConfig(
  context: Pick<RunContext, "log" | "onReload" | "reread">,
  replace: ((rules: PlaneRules) => void) | null,
): Disposable | null {
  const { reread, log } = context;
  if (reread === undefined) return null;
  return context.onReload(async () => {
    const { atStart, now } = await reread();
    if (replace !== null) {
      // A server's command reads its own options.
      const rules = rulesOf(now as unknown as RuleFlags);
      replace(rules);
      const { allow, deny, permitListen } = rules;
      log.info("rules", {
        permit_open: allow.length,
        deny: deny.length,
        permit_listen: permitListen.length,
      });
    }
    const others = changedKeys(atStart, now).filter((key) => !FOLLOWED.includes(key));
    if (others.length === 0) return;
    log.warn("options have changed that count at the next start only", {
      options: others.map(inKebabCase).join(" "),
    });
  });
}

function rulesOf({ allow, deny, permitListen }: RuleFlags): PlaneRules {
  return {
    allow: (allow ?? []).flat(),
    deny: (deny ?? []).flat(),
    permitListen: permitListen ?? [],
  };
}

function changedKeys(before: object, after: object): string[] {
  const old = new Map(Object.entries(before));
  return Object.entries(after)
    .filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(old.get(key)))
    .map(([key]) => key);
}

function inKebabCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
