import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { makeLogger } from "../../base/log.ts";
import { DenoNet } from "../../io/net/deno_net.ts";
import { Reactor } from "../../io/reactor/reactor.ts";
import { openInspector } from "./inspector.ts";

const log = makeLogger(() => {}, () => 0, "error");
const HEAD = {
  method: "GET",
  scheme: "https",
  authority: "a.test",
  path: "/",
  fields: [],
} as const;

test("inspector: requests are sent again to the service as it is published now, or not at all", async () => {
  using libc = openLibc();
  await using clock = new Reactor(libc, "async");
  await using opened = new AsyncDisposableStack();
  const net = new DenoNet(libc);
  const { signal } = new AbortController();
  const lines: string[] = [];
  const inspector = openInspector({ host: "127.0.0.1", port: 0 }, {
    ...{ clock, log, signal, opened },
    listen: (at, o) => net.listen(at, o),
    print: (line) => void lines.push(line),
  });
  const tap = inspector.tapOf("shop")({
    head: { ...HEAD, hasBody: false, upgrade: null },
    ...{ requestId: "1", visitor: "192.0.2.1", isServed: true, replayOf: null },
  });
  tap.over();
  const entrance = new URL(lines[0]!.replace("Requests: ", ""));
  const entered = await fetch(entrance, { redirect: "manual" });
  await entered.text();
  const cookie = entered.headers.get("set-cookie")!.split(";")[0]!;
  const one = `${new URL(entered.headers.get("location")!, entrance)}exchanges/1`;
  const replay = async () => {
    const { nonce } = await (await fetch(one, { headers: { cookie } })).json();
    const headers = { cookie, origin: entrance.origin, "ttun-nonce": nonce };
    const answer = await fetch(`${one}/replay`, { method: "POST", headers });
    return [answer.status, await answer.text()];
  };
  const had: string[] = [];
  const endFirst = inspector.serves("shop", { replay: () => void had.push("first") });
  await replay();
  const endSecond = inspector.serves("shop", { replay: () => void had.push("second") });
  endFirst();
  assert.deepEqual(await replay(), [200, "It was sent again.\n"]);
  assert.deepEqual(had, ["first", "second"]);
  endSecond();
  assert.deepEqual(await replay(), [409, "Its service is not published any more.\n"]);
  assert.equal(had.length, 2);
});
