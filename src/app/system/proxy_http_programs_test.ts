/** Unusual forms of requests that programs write to a proxy, from the program to the target. */
import assert from "node:assert/strict";
import { ProxyWorld, TARGET_NAME, TARGET_V6 } from "../../../tests/fake/proxy.ts";
import { readHead, socks5 } from "../../../tests/fake/proxy_programs.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { write } from "../loop/stream_io.ts";

const IPV6_PORT = 8086;

/** Targets that write down the head of each request, and answer that there is nothing. */
async function open(world: ProxyWorld, isDirect: boolean) {
  const heads: string[] = [];
  const serve = async (stream: Connection) => {
    for (;;) {
      heads.push((await readHead(stream)).replaceAll("\r\n", "\n"));
      await write(stream, utf8("HTTP/1.1 204 None\r\n\r\n"));
    }
  };
  world.target(serve);
  world.target(serve, { host: TARGET_V6, port: IPV6_PORT });
  const server = world.server();
  const client = world.client({ direct: isDirect ? [TARGET_NAME, "::/0"] : [] });
  await world.clock.settle();
  /** The status that a request gets, written as it stands here, and the last head at the target. */
  const ask = async (text: string, behind = ""): Promise<string[]> => {
    const program = await client.connect();
    await write(program, utf8(text.replaceAll("\n", "\r\n")));
    const status = (await readHead(program)).split(" ")[1]!;
    if (behind !== "") {
      await write(program, utf8(behind.replaceAll("\n", "\r\n")));
      assert.match(await readHead(program), / 204 /);
    }
    await program[Symbol.asyncDispose]();
    await world.clock.settle();
    return [status, heads.at(-1) ?? ""];
  };
  return { server, client, heads, ask };
}

for (const isDirect of [false, true]) {
  const way = isDirect ? "past the tunnel" : "through the tunnel";

  Deno.test(`user and password of an address reach the target alone, as Authorization, ${way}`, async () => {
    await using world = new ProxyWorld();
    const { server, client, ask } = await open(world, isDirect);
    const [status, head] = await ask(
      `GET http://user:sec%40ret@${TARGET_NAME}/a HTTP/1.1\nHost: ${TARGET_NAME}\n\n`,
    );
    assert.equal(status, "204");
    assert.equal(
      head,
      `GET /a HTTP/1.1\nHost: ${TARGET_NAME}\nAuthorization: Basic ${btoa("user:sec@ret")}\n\n`,
    );
    const [refused] = await ask("GET http://user:secret@a:0/ HTTP/1.1\n\n");
    assert.equal(refused, "400");
    const said = JSON.stringify([server.records(), client.records()]);
    assert.ok(said.includes(TARGET_NAME), "something is in the log");
    assert.ok(!/sec.{0,3}ret|user/.test(said), said);
  });

  Deno.test(`IPv6 addresses without brackets reach their target, ${way}`, async () => {
    await using world = new ProxyWorld();
    const { client, ask } = await open(world, isDirect);
    const at = `${TARGET_V6}:${IPV6_PORT}`;
    const bracketed = `[${TARGET_V6}]:${IPV6_PORT}`;
    const want = `GET /x HTTP/1.1\nHost: ${bracketed}\n\n`;
    assert.deepEqual(await ask(`GET http://${at}/x HTTP/1.1\nHost: ${bracketed}\n\n`), [
      "204",
      want,
    ]);
    assert.deepEqual(await ask(`GET http://${at}/x HTTP/1.1\n\n`), ["204", want]);
    const tunnel = `CONNECT ${at} HTTP/1.1\nHost: ${at}\n\n`;
    assert.deepEqual(await ask(tunnel, want), ["200", want]);
    const program = await client.connect();
    assert.equal(await socks5(program, `[${TARGET_V6}]`, IPV6_PORT), 0);
    await program[Symbol.asyncDispose]();
  });

  Deno.test(`a first request may have empty lines before it, ${way}`, async () => {
    await using world = new ProxyWorld();
    const { client, ask, heads } = await open(world, isDirect);
    for (const empty of ["\n", "\n\n\n"]) {
      const [status] = await ask(`${empty}GET http://${TARGET_NAME}/ HTTP/1.1\n\n`);
      assert.equal(status, "204");
    }
    const program = await client.connect();
    await write(program, utf8("\n"));
    await world.clock.settle();
    await write(program, utf8(`GET http://${TARGET_NAME}/late HTTP/1.0\n\n`));
    assert.match(await readHead(program), / 204 /);
    await program[Symbol.asyncDispose]();
    assert.match(heads.at(-1)!, /^GET \/late /);
    const bad = await ask("\rGET http://a/ HTTP/1.1\n\n");
    assert.equal(bad[0], "400");
  });
}

Deno.test("a browser of this machine gets the PAC file and a page, with a password set too; others get nothing", async () => {
  for (const auth of [undefined, () => false]) {
    await using world = new ProxyWorld();
    world.server();
    const client = world.client({ direct: ["example.com"], ...(auth !== undefined && { auth }) });
    await world.clock.settle();
    const ask = async (path: string, host: string) => {
      const program = await client.connect();
      await write(program, utf8(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`));
      const head = await readHead(program);
      await program[Symbol.asyncDispose]();
      await world.clock.settle();
      return head;
    };
    const pac = await ask("/proxy.pac", "127.0.0.1:1080");
    assert.match(pac, /^HTTP\/1\.1 200 OK\r\nContent-Type: application\/x-ns-proxy-autoconfig\r\n/);
    assert.match(await ask("/", "localhost:1080"), /^HTTP\/1\.1 200 OK/);
    for (const [path, host] of [["/", "rebound.example:1080"], ["/other", "127.0.0.1:1080"]]) {
      assert.match(await ask(path!, host!), /^HTTP\/1\.1 400 Bad Request/);
    }
  }
});

Deno.test("a program of another machine gets no page of the proxy's own", async () => {
  await using world = new ProxyWorld();
  world.server();
  const client = world.client({ listenHost: "192.0.2.2" });
  await world.clock.settle();
  const program = await client.connect();
  await write(program, utf8("GET /proxy.pac HTTP/1.1\r\nHost: 192.0.2.2:1080\r\n\r\n"));
  assert.match(await readHead(program), /^HTTP\/1\.1 400 Bad Request/);
  await program[Symbol.asyncDispose]();
});
