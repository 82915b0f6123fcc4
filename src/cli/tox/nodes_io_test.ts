import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { MAIN, runDeno } from "../process_fixture.ts";

const KEY = "8E7D0B859922EF569298B4D261A8CCB5FEA14FB91ED412A7603A585A25698832";
const DAY = 24 * 60 * 60;

function list(host: string, time?: number): string {
  const node = { ipv4: host, ipv6: "-", port: 33445, public_key: KEY, tcp_ports: [443] };
  return JSON.stringify({ ...(time !== undefined && { last_refresh: time }), nodes: [node] });
}

test("a list is fetched and kept, a page that is none changes nothing, and the age is told", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ttun-test-" });
  const now = Math.floor(Date.now() / 1000);
  const pages: Record<string, () => Response> = {
    "/json": () => new Response(list("first.example", now - 3 * DAY)),
    "/none": () => new Response("<html>"),
    "/gone": () => new Response("gone", { status: 404 }),
    "/long": () => new Response("x".repeat(2 << 20)),
  };
  const listen = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  await using web = Deno.serve(listen, (request) => pages[new URL(request.url).pathname]!());
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const at = `http://127.0.0.1:${web.addr.port}`;
  const env = { STATE_DIRECTORY: `${folder}/state` };
  const nodes = (...args: string[]) =>
    runDeno(["run", "-A", MAIN, "tox", "nodes", ...args], { env });

  const none = await nodes();
  assert.match(none.stdout, /^# the list in ttun: \d+ nodes, of \d{4}-\d\d-\d\d, \d+ days old\n/);
  const fetched = await nodes("--update", "--from", `${at}/json`);
  assert.equal(fetched.code, 0, fetched.stderr);
  assert.match(fetched.stdout, /^# the kept list: 1 nodes, of .*, 3 days old$/m);
  assert.match(fetched.stdout, new RegExp(`^first\\.example:33445 ${KEY} relays 443$`, "m"));
  const kept = `${folder}/state/tox-nodes.json`;
  if (Deno.build.os !== "windows") assert.equal((await Deno.stat(kept)).mode! & 0o777, 0o600);
  for (
    const [page, words, code] of [
      ["none", /it is not JSON/, 2],
      ["gone", /the answer is 404/, 4],
      ["long", /too long for a list/, 4],
    ] as const
  ) {
    const failed = await nodes("--update", "--from", `${at}/${page}`);
    assert.equal(failed.code, code, failed.stderr);
    assert.match(failed.stderr, words);
  }
  assert.equal(await Deno.readTextFile(kept), list("first.example", now - 3 * DAY));

  // A start with a file keeps its list. It ends for want of a secret, or of libtoxcore.
  const file = `${folder}/nodes.json`;
  await Deno.writeTextFile(file, list("second.example", now - 400 * DAY));
  const start = ["run", "-A", MAIN, "tox", "--open", "--relay-port", "1", "-I", "/dev/null/none"];
  const started = await runDeno([...start, "-b", file], { env });
  assert.match(started.stderr, /Tox nodes {2}of=\S+nodes\.json nodes=1 age_days=400/);
  assert.match(started.stderr, /The list of Tox nodes is old/);
  assert.match((await nodes()).stdout, /^second\.example:33445 /m);
  await Deno.writeTextFile(kept, "damaged");
  const damaged = await nodes();
  assert.equal(damaged.code, 0);
  assert.match(damaged.stderr, /The kept list of Tox nodes is damaged/);
  const wrong = await runDeno([...start, "-b", `${folder}/nothing`], { env });
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /Cannot read \S+nothing: there is no such file/);
});
