import assert from "node:assert/strict";
import {
  CLIENT_HOST,
  echo,
  PASSWORD,
  ProxyWorld,
  SERVER_HOST,
  TARGET_NAME,
} from "../../../tests/fake/proxy.ts";
import { httpConnect, socks5 } from "../../../tests/fake/proxy_programs.ts";
import { utf8 } from "../../base/bytes.ts";
import { NameError } from "../../base/errors.ts";
import type { Clock, Resolver } from "../../contract/host.ts";

/** Name servers that can go dark: then a question has no answer, which is told after ten seconds. */
function nameServers(clock: Clock) {
  const state = { isDark: false };
  const resolver: Resolver = {
    resolve: (host, { signal }) => {
      if (!state.isDark && !host.startsWith("dead")) return Promise.resolve([SERVER_HOST]);
      return new Promise((_, reject) => {
        const timer = clock.after(10_000, () => reject(new NameError("silent", "no answer")));
        signal.addEventListener("abort", () => {
          timer[Symbol.dispose]();
          reject(signal.reason);
        });
      });
    },
  };
  return { state, resolver };
}

Deno.test("when name servers go dark, connections go on at once by the server's last address", async () => {
  await using world = new ProxyWorld();
  const { state, resolver } = nameServers(world.clock);
  world.server();
  world.target(echo);
  const client = world.client({ resolver });
  await world.clock.settle();
  assert.equal(await world.clock.until(socks5(await client.connect(), TARGET_NAME)), 0);
  state.isDark = true;
  await world.clock.advance(60_000); // no idle connection is left either
  for (const most of [250, 0, 0]) {
    const before = world.clock.now();
    assert.equal(await world.clock.until(socks5(await client.connect(), TARGET_NAME)), 0);
    assert(world.clock.now() - before <= most, `${world.clock.now() - before} ms`);
    await world.clock.advance(30_000);
  }
  assert.equal(client.lines().length, 1, client.lines().join("; "));
  assert.match(client.lines()[0]!, /^warn the name server\.example does not resolve at the moment/);
});

Deno.test("name servers that were never there are told as what they are, not as clocks or a password", async () => {
  await using world = new ProxyWorld();
  const { state, resolver } = nameServers(world.clock);
  state.isDark = true;
  world.server();
  world.target(echo);
  const client = world.client({ resolver });
  await world.clock.settle();
  assert.equal(await world.clock.until(socks5(await client.connect(), TARGET_NAME)), 1);
  const why = String(client.fields("no way to the server")[0]!["why"]);
  assert.match(why, /no answer/);
  assert.doesNotMatch(why, /password|clocks/);
  // They come back in the middle of an attempt.
  const waiting = socks5(await client.connect(), TARGET_NAME);
  await world.clock.advance(7000);
  state.isDark = false;
  assert.equal(await world.clock.until(waiting), 1);
  assert.equal(await world.clock.until(socks5(await client.connect(), TARGET_NAME)), 0);
  assert.doesNotMatch(client.lines().join("; "), /clock/);
});

Deno.test("names past the tunnel that nobody answers leave addresses and the server alone", async () => {
  await using world = new ProxyWorld();
  const { resolver } = nameServers(world.clock);
  world.server();
  world.target(echo);
  const client = world.client({ resolver, direct: ["dead.example"] });
  await world.clock.settle();
  const dead: Promise<number>[] = [];
  for (let i = 0; i < 200; i++) {
    dead.push(socks5(await client.connect(), `dead${i}.dead.example`));
  }
  await world.clock.settle();
  const before = world.clock.now();
  assert.equal(await world.clock.until(socks5(await client.connect(), "8.0.0.10")), 0);
  assert.equal(world.clock.now(), before);
  assert.deepEqual(new Set(await world.clock.until(Promise.all(dead))), new Set([4]));
});

Deno.test("a name server's refusal to tell is no failure of the name's", async () => {
  await using world = new ProxyWorld();
  const resolver: Resolver = {
    resolve: () => Promise.reject(new NameError("failed", "the name servers cannot tell")),
  };
  world.server({ resolver });
  const client = world.client();
  await world.clock.settle();
  assert.equal(await world.clock.until(socks5(await client.connect(), TARGET_NAME)), 4);
});

Deno.test("names are asked for on behalf of a program, at the server of a key at an address; the server's is ttun's own", async () => {
  await using world = new ProxyWorld();
  const asked: string[] = [];
  const noting = (who: string): Resolver => ({
    resolve: (host, { owner }) => {
      asked.push(`${who} ${host}: ${owner ?? "its own"}`);
      return Promise.resolve([host === "server.example" ? SERVER_HOST : "8.0.0.10"]);
    },
  });
  const keys = [{ name: "north", password: utf8(PASSWORD) }];
  world.server({ resolver: noting("server"), keys });
  world.target(echo, { host: "8.0.0.10" });
  const client = world.client({ resolver: noting("client"), direct: ["direct.example"] });
  await world.clock.settle();
  for (const ask of [socks5, httpConnect]) {
    await world.clock.until(ask(await client.connect(), "direct.example"));
    await world.clock.until(ask(await client.connect(), "far.example"));
    const [own, others] = [true, false].map((isOwn) =>
      asked.filter((line) => line.startsWith("client server.example") === isOwn)
    );
    assert(own!.every((line) => line.endsWith("its own")));
    asked.length = 0;
    assert.deepEqual(others, [
      "client direct.example: 127.0.0.1",
      `server far.example: north ${CLIENT_HOST}`,
    ]);
  }
});
