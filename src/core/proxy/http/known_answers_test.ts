import assert from "node:assert/strict";
import vectors from "../../../../tests/vector/http_proxy.json" with { type: "json" };
import { fromHex, utf8 } from "../../../base/bytes.ts";
import { fromLatin1 } from "../../../base/latin1.ts";
import { formatTarget } from "../../../base/target.ts";
import type { HttpAction } from "./action.ts";
import { lend } from "../../http/http1/http1_fixture.ts";
import { HttpProxy } from "./proxy.ts";

/** A conversation seen from outside, as text of one byte a character. */
interface Seen {
  connect?: string;
  toTarget: string;
  toClient: string;
  end: string;
}

/** Lets the proxy serve one client whose bytes, and whose target's, come in these pieces. */
function talk(
  password: string | undefined,
  client: readonly Uint8Array[],
  target: readonly Uint8Array[],
  targetEnds: boolean,
): Seen {
  const proxy = new HttpProxy({
    auth: password === undefined
      ? null
      : (user, pass) => `${fromLatin1(user)}:${fromLatin1(pass)}` === password,
  });
  const seen: Seen = { toTarget: "", toClient: "", end: "kept" };
  const perform = (actions: HttpAction[]) => {
    for (const action of actions) {
      if (action.kind === "connect") {
        assert.equal(seen.connect, undefined);
        seen.connect = formatTarget(action.target);
      } else if (action.kind === "toTarget") seen.toTarget += fromLatin1(action.bytes);
      else if (action.kind === "toClient") seen.toClient += fromLatin1(action.bytes);
      else if (action.kind === "endClient") seen.end = action.how;
      else if (action.kind === "raw") seen.end = "tunnel";
    }
  };
  for (const piece of client) lend(piece, (bytes) => perform(proxy.fromClient(bytes)));
  if (seen.connect !== undefined) perform(proxy.connected());
  for (const piece of target) lend(piece, (bytes) => perform(proxy.fromTarget(bytes)));
  if (targetEnds) perform(proxy.targetEnded("clean"));
  if (seen.end === "kept" && password === undefined) assertReady(proxy);
  return seen;
}

/** The exchange is over: another request is served at once. */
function assertReady(proxy: HttpProxy): void {
  const next = utf8("GET http://next.example/ HTTP/1.1\r\n\r\n");
  assert.equal(proxy.fromClient(next).at(-1)?.kind, "connect");
}

/** All bytes at once, cut at every place, and one by one. */
function ways(bytes: Uint8Array): Uint8Array[][] {
  const cuts = Array.from({ length: bytes.length }, (_, at) => [
    bytes.subarray(0, at),
    bytes.subarray(at),
  ]);
  return [[bytes], ...cuts.slice(1), [...bytes].map((byte) => Uint8Array.of(byte))];
}

const text = (hex = "") => fromLatin1(fromHex(hex));

for (const c of vectors.cases) {
  Deno.test(`HTTP proxy: ${c.note} (${c.section})`, () => {
    const client = fromHex(c.client);
    const target = fromHex(c.target ?? "");
    const check = (seen: Seen) => {
      assert.equal(seen.connect, c.connect);
      assert.equal(seen.toTarget, text(c.toTarget));
      assert.equal(seen.end, c.end);
      if (c.status === undefined) return assert.equal(seen.toClient, text(c.toClient));
      const [head] = seen.toClient.split("\r\n\r\n");
      const [first, ...fields] = head!.split("\r\n");
      assert.match(first!, new RegExp(`^HTTP/1\\.1 ${c.status} [A-Z]`));
      if (c.field !== undefined) assert.ok(fields.includes(c.field), head);
      assert.equal(fields.includes("Connection: close"), c.end === "clean");
    };
    const ends = c.targetEnds === true;
    for (const pieces of ways(client)) check(talk(c.password, pieces, [target], ends));
    for (const pieces of ways(target)) check(talk(c.password, [client], pieces, ends));
  });
}
