import assert from "node:assert/strict";
import { FakeClock } from "../../../../tests/fake/clock.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { makeLogger } from "../../../base/log.ts";
import { makeToken, type Verb } from "../../../core/mesh/http/api_token.ts";
import { memoryStore } from "../store/memory_store.ts";
import { MeshApi } from "./api.ts";

interface Lab extends AsyncDisposable {
  readonly clock: FakeClock;
  /** Asks for the owner of the socket, unless there is a token. */
  ask(method: string, path: string, o?: Asked): Promise<Response>;
  /** Returns the text of a token for these. */
  token(verbs: readonly Verb[], prefix: string): string;
  revokeAll(): void;
}

interface Asked {
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Record<string, string>;
  readonly token?: string;
  readonly isOwner?: boolean;
}

function lab(): Lab {
  const clock = new FakeClock();
  const store = memoryStore({ clock, rng: seededRng(1) });
  const stop = new AbortController();
  let tokens: readonly ReturnType<typeof makeToken>["token"][] = [];
  const api = new MeshApi({
    store,
    clock,
    log: makeLogger(() => {}, () => 0),
    signal: stop.signal,
    tokens: () => tokens,
    ring: () => ({ node: "a" }),
    metrics: () => "a_metric 1\n",
    admin: () => null,
  });
  return {
    clock,
    ask: (method, path, { body, headers = {}, token, isOwner = token === undefined } = {}) =>
      api.handle(
        new Request(`http://localhost${path}`, {
          method,
          headers: { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
          ...(body !== undefined && { body }),
        }),
        isOwner,
      ),
    token(verbs, prefix) {
      const random = new Uint8Array(36).fill(tokens.length + 1);
      const made = makeToken(random, { verbs, prefix, created: 0 });
      tokens = [...tokens, made.token];
      return made.text;
    },
    revokeAll() {
      tokens = [];
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await store[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a value is written, read and deleted, with its version as its ETag", async () => {
  await using at = lab();
  const put = await at.ask("PUT", "/v1/kv/kv/app/x", { body: "one" });
  assert.equal(put.status, 204);
  const got = await at.ask("GET", "/v1/kv/kv/app/x");
  assert.deepEqual([got.status, await got.text()], [200, "one"]);
  assert.equal(got.headers.get("etag"), put.headers.get("etag"));
  const same = await at.ask("GET", "/v1/kv/kv/app/x", {
    headers: { "if-none-match": put.headers.get("etag")! },
  });
  assert.equal(same.status, 304);
  assert.equal((await at.ask("DELETE", "/v1/kv/kv/app/x")).status, 204);
  assert.equal((await at.ask("GET", "/v1/kv/kv/app/x")).status, 404);
});

Deno.test("conditions: one of two writers wins, and the other one hears the version", async () => {
  await using at = lab();
  const absent = { "if-none-match": "*" };
  const first = await at.ask("PUT", "/v1/kv/kv/a", { body: "1", headers: absent });
  const second = await at.ask("PUT", "/v1/kv/kv/a", { body: "2", headers: absent });
  assert.deepEqual([first.status, second.status], [204, 412]);
  assert.equal(second.headers.get("etag"), first.headers.get("etag"));
  const headers = { "if-match": first.headers.get("etag")! };
  assert.equal((await at.ask("PUT", "/v1/kv/kv/a", { body: "3", headers })).status, 204);
  assert.equal((await at.ask("DELETE", "/v1/kv/kv/a", { headers })).status, 412);
  for (const match of ["*", "1", '"absent"', '"1", "2"']) {
    const wrong = await at.ask("PUT", "/v1/kv/kv/a", { body: "", headers: { "if-match": match } });
    assert.equal(wrong.status, 400, match);
  }
});

Deno.test("a value that is too long is refused, whether its length is told or not", async () => {
  await using at = lab();
  const most = 64 * 1024;
  for (const isTold of [false, true]) {
    const put = async (length: number) => {
      const headers: Record<string, string> = isTold ? { "content-length": `${length}` } : {};
      const body = new Uint8Array(length).fill(length);
      return (await at.ask("PUT", "/v1/kv/kv/long", { body, headers })).status;
    };
    assert.equal(await put(most + 1), 413);
    assert.equal(await put(most), 204);
    assert.equal(await put(3), 204);
    const got = await at.ask("GET", "/v1/kv/kv/long");
    assert.deepEqual(new Uint8Array(await got.arrayBuffer()), new Uint8Array(3).fill(3));
    assert.equal(await put(0), 204);
  }
});

Deno.test("a key with a time to live vanishes after it", async () => {
  await using at = lab();
  assert.equal((await at.ask("PUT", "/v1/kv/kv/a?ttl=2s", { body: "x" })).status, 204);
  assert.equal((await at.ask("GET", "/v1/kv/kv/a")).headers.get("ttun-expires-in"), "2000ms");
  await at.clock.advance(2500);
  assert.equal((await at.ask("GET", "/v1/kv/kv/a")).status, 404);
  assert.equal((await at.ask("PUT", "/v1/kv/kv/a?ttl=soon", { body: "x" })).status, 400);
});

Deno.test("keys are listed in pages", async () => {
  await using at = lab();
  for (const name of ["a", "b", "c"]) await at.ask("PUT", `/v1/kv/kv/app/${name}`, { body: name });
  const page = await (await at.ask("GET", "/v1/kv/kv/app/?limit=2")).json();
  assert.deepEqual(page.entries.map((e: { key: string }) => e.key), ["kv/app/a", "kv/app/b"]);
  const rest = await (await at.ask("GET", `/v1/kv/kv/app/?limit=2&after=${page.next}`)).json();
  assert.deepEqual(rest.entries.map((e: { value: string }) => atob(e.value)), ["c"]);
  assert.equal(rest.next, undefined);
  assert.equal((await at.ask("GET", "/v1/kv/kv/?limit=0")).status, 400);
});

Deno.test("a watch tells changes as events, and goes on from the last one's id", async () => {
  await using at = lab();
  const watch = await at.ask("GET", "/v1/watch/kv/app/");
  assert.equal(watch.headers.get("content-type"), "text/event-stream");
  const reader = watch.body!.pipeThrough(new TextDecoderStream()).getReader();
  const until = async (pattern: RegExp) => {
    let text = "";
    while (!pattern.test(text)) text += (await reader.read()).value!;
    return text;
  };
  await until(/: watching/);
  await at.ask("PUT", "/v1/kv/kv/app/x", { body: "1" });
  await at.ask("DELETE", "/v1/kv/kv/app/x");
  const events = await until(/event: delete\ndata: .*\n\n/);
  assert.match(events, /event: put\ndata: \{"key":"kv\/app\/x","value":"MQ"/);
  const id = /id: (\S+)\nevent: put/.exec(events)![1]!;
  await reader.cancel();
  const again = await at.ask("GET", "/v1/watch/kv/app/", { headers: { "last-event-id": id } });
  const next = again.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("event:")) text += (await next.read()).value!;
  assert.match(text, /event: delete/);
  assert.doesNotMatch(text, /event: put/);
  await next.cancel();
});

Deno.test("a lease has one holder, who renews it and gives it back", async () => {
  await using at = lab();
  const taken = await at.ask("POST", "/v1/lease/job?ttl=10s");
  assert.equal(taken.status, 201);
  const { token } = await taken.json();
  assert.equal((await at.ask("POST", "/v1/lease/job?ttl=10s")).status, 409);
  assert.equal((await at.ask("PUT", `/v1/lease/job?token=${token}`)).status, 200);
  assert.equal((await at.ask("PUT", "/v1/lease/job?token=wrong")).status, 409);
  assert.equal((await at.ask("DELETE", `/v1/lease/job?token=${token}`)).status, 204);
  const next = await (await at.ask("POST", "/v1/lease/job?ttl=10s")).json();
  assert(Number(next.token) > Number(token));
  assert.equal((await at.ask("POST", "/v1/lease/other?ttl=1s")).status, 400);
});

Deno.test("a lease that nobody renews ends", async () => {
  await using at = lab();
  assert.equal((await at.ask("POST", "/v1/lease/job?ttl=5s")).status, 201);
  await at.clock.advance(12_000);
  assert.equal((await at.ask("POST", "/v1/lease/job?ttl=5s")).status, 201);
});

Deno.test("a token is for its verbs and keys alone; without one there is nothing", async () => {
  await using at = lab();
  const token = at.token(["get", "put"], "kv/app/");
  assert.equal((await at.ask("PUT", "/v1/kv/kv/app/x", { body: "1", token })).status, 204);
  assert.equal((await at.ask("PUT", "/v1/kv/kv/other", { body: "1", token })).status, 403);
  assert.equal((await at.ask("DELETE", "/v1/kv/kv/app/x", { token })).status, 403);
  assert.equal((await at.ask("GET", "/v1/kv/kv/app/", { token })).status, 403);
  assert.equal((await at.ask("GET", "/v1/ring", { token })).status, 403);
  assert.equal((await at.ask("POST", "/v1/invites", { token })).status, 403);
  for (const wrong of ["", "x", `${token}x`]) {
    assert.equal((await at.ask("GET", "/v1/kv/kv/app/x", { token: wrong })).status, 401);
  }
  assert.equal((await at.ask("GET", "/metrics", { isOwner: false })).status, 401);
});

Deno.test("a token that was used and is revoked counts no more", async () => {
  await using at = lab();
  const token = at.token(["put"], "kv/");
  const put = async () => (await at.ask("PUT", "/v1/kv/kv/app/x", { body: "1", token })).status;
  assert.deepEqual([await put(), await put()], [204, 204]);
  at.token(["get"], "kv/"); // another one changes nothing
  assert.equal(await put(), 204);
  at.revokeAll();
  assert.equal(await put(), 401);
});

Deno.test("a token for all keys writes none of the cluster's own", async () => {
  await using at = lab();
  const token = at.token(["put"], "");
  for (const key of ["conf/core", "invite/x", "revoked/x", "lease/x"]) {
    assert.equal((await at.ask("PUT", `/v1/kv/${key}`, { body: "1", token })).status, 403, key);
  }
  const admin = at.token(["put", "admin"], "");
  assert.equal((await at.ask("PUT", "/v1/kv/conf/x", { body: "1", token: admin })).status, 204);
});

Deno.test("web pages are refused, whatever name they give this machine", async () => {
  await using at = lab();
  const token = at.token(["get"], "");
  const origin = { origin: "http://localhost:3000" };
  assert.equal((await at.ask("GET", "/v1/kv/kv/a", { token, headers: origin })).status, 403);
  const host = { host: "evil.example" };
  assert.equal((await at.ask("GET", "/v1/kv/kv/a", { token, headers: host })).status, 403);
});

Deno.test("unknown paths, keys that are none and other methods are told", async () => {
  await using at = lab();
  for (const path of ["kv/alone", "kv/a//b", "watch/%00", "revoke/0a", "revoke/zz"]) {
    assert.equal((await at.ask("GET", `/v1/${path}`)).status, 400, path);
  }
  assert.equal((await at.ask("GET", "/")).status, 404);
  const posted = await at.ask("POST", "/v1/kv/kv/a", { body: "x" });
  assert.deepEqual([posted.status, posted.headers.get("allow")], [405, "GET, HEAD, PUT, DELETE"]);
  assert.equal((await at.ask("POST", "/v1/invites")).status, 404);
  assert.equal(await (await at.ask("GET", "/metrics")).text(), "a_metric 1\n");
});

Deno.test("a request that is repeated with its Idempotency-Key has one effect", async () => {
  await using at = lab();
  const headers = { "idempotency-key": "k1" };
  const first = await at.ask("PUT", "/v1/kv/kv/a", { body: "1", headers });
  await at.ask("PUT", "/v1/kv/kv/a", { body: "2" });
  const again = await at.ask("PUT", "/v1/kv/kv/a", { body: "1", headers });
  assert.equal(again.headers.get("etag"), first.headers.get("etag"));
  assert.equal(await (await at.ask("GET", "/v1/kv/kv/a")).text(), "2");
});
