import { Acl } from "../../src/core/acl/acl.ts";
import { parseRule } from "../../src/core/acl/rule.ts";

/** Reads values of `--allow` and `--deny`. @throws {TtunError} usage */
export function parseRules(o: {
  allow: readonly string[];
  deny: readonly string[];
  isOwn?: (ip: Uint8Array) => boolean;
}): Acl {
  return new Acl({
    ...o,
    allow: o.allow.flatMap(parseRule),
    deny: o.deny.flatMap(parseRule),
  });
}
