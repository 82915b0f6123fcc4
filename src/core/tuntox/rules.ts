import { TtunError } from "../../base/errors.ts";
import { isName, makeTarget, type Target, withoutBrackets } from "../../base/target.ts";

/** Characters of a line that tuntox reads. */
const MOST_OF_LINE = 100;

/** Rules of a file: more are a mistake. */
const MOST_RULES = 10_000;

/** A line of tuntox's file of rules; null stands for any. */
export interface TunnelRule {
  readonly host: string | null;
  readonly port: number | null;
}

/**
 * Reads a file of rules: a line is `HOST:PORT` or `HOST@PORT`, with `*` for any host and 0 for any
 * port; empty lines and those that begin with `#` are passed over. @throws {TtunError} usage, for a
 * line that is none: without it more or less would be permitted than is meant
 */
export function parseTunnelRules(text: string): readonly TunnelRule[] {
  const rules: TunnelRule[] = [];
  for (const [index, whole] of text.split(/\r?\n/).entries()) {
    const line = whole.trim();
    if (line === "" || line.startsWith("#")) continue;
    rules.push(parseRule(line, index + 1));
    if (rules.length > MOST_RULES) {
      throw new TtunError("usage", `Cannot use the file of rules: it has more than ${MOST_RULES}`);
    }
  }
  return rules;
}

function parseRule(line: string, number: number): TunnelRule {
  const [, host, digits] = /^(.+)[:@](\d{1,5})$/.exec(line) ?? [];
  const port = Number(digits);
  const subject = host === undefined || line.length > MOST_OF_LINE ? undefined : hostOf(host);
  if (subject === undefined || port > 65_535) {
    throw new TtunError(
      "usage",
      `Cannot use line ${number} of the file of rules: write HOST:PORT in at most ` +
        `${MOST_OF_LINE} characters, with * for any host and 0 for any port`,
    );
  }
  return { host: subject, port: port === 0 ? null : port };
}

/** Null = any; undefined = it is no host. */
function hostOf(text: string): string | null | undefined {
  if (text === "*") return null;
  const bare = withoutBrackets(text);
  const isAddress = bare.includes(":") || /^[0-9.]+$/.test(bare);
  if (!isAddress && !isName(bare.toLowerCase())) return undefined;
  try {
    return makeTarget(bare, 1).host;
  } catch (error) {
    if (error instanceof TtunError) return undefined;
    throw error;
  }
}

/** Returns true when one of the rules is for the target, whose host is compared as it is written. */
export function permitsTunnel(rules: readonly TunnelRule[], { host, port }: Target): boolean {
  return rules.some((rule) =>
    (rule.host === null || rule.host === host) && (rule.port === null || rule.port === port)
  );
}
