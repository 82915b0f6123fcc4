/** `ttun tox` as users start it: a server and clients, processes on loopback. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "../check.ts";
import { requireOwnNamespace } from "../own_namespace.ts";
import { Process, type SpawnOptions } from "../process.ts";
import { settleCallbacks } from "../settle_callbacks.ts";
import { makeFolder } from "./proxy_files.ts";
import { lacksToxcore, openNetwork, TOX_LINK_MS } from "./tox_lab.ts";
import { ttunCommand } from "./tunnel.ts";

requireOwnNamespace();
settleCallbacks();

const MB = 1024 * 1024;

function startTox(args: string[], options: SpawnOptions = {}): Process {
  const [command, rest] = ttunCommand("tox", "-v", ...args);
  return new Process(command, rest, { env: { STATE_DIRECTORY: "/dev/null/none" }, ...options });
}

/** Answers each request with its body behind so many bytes. */
function serveWeb(bulk: Uint8Array<ArrayBuffer>) {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const hash = createHash("sha256").update(new Uint8Array(await request.arrayBuffer()));
    return new Response(bulk, { headers: { "x-got": hash.digest("hex") } });
  });
}

/** Sends back so many bytes, and ends then: the wire has no half-close. */
function serveEcho(bytes: number): Deno.Listener & { readonly addr: Deno.NetAddr } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  void (async () => {
    for await (const conn of listener) void echo(conn, bytes);
  })();
  return listener;
}

async function echo(conn: Deno.Conn, bytes: number): Promise<void> {
  using _conn = conn;
  const writer = conn.writable.getWriter();
  let left = bytes;
  for await (const piece of conn.readable) {
    await writer.write(piece);
    if ((left -= piece.length) <= 0) break;
  }
}

test({
  name: "tox: forwards, a SOCKS proxy and -W through a server; a wrong secret gets nothing",
  ignore: lacksToxcore(),
  fn: async () => {
    await using folder = await makeFolder();
    const nodes = `${folder.path}/nodes.json`;
    using _network = openNetwork(nodes, 42_000);
    const bulk = crypto.getRandomValues(new Uint8Array(65_536));
    const whole = new Uint8Array(MB).map((_, i) => bulk[i % bulk.length]!);
    const hash = createHash("sha256").update(whole).digest("hex");
    const text = "some bytes that come back\n".repeat(20_000);
    await using web = serveWeb(whole);
    using echo = serveEcho(text.length);
    const secretFile = `${folder.path}/secret`;
    await Deno.writeTextFile(secretFile, "open sesame\n", { mode: 0o600 });
    const identity = `${folder.path}/server`;
    const serve = ["-C", identity, "--secret-file", secretFile, "-b", nodes, "-I"];
    const at = (port: number) => ["-b", nodes, "-u", String(port)];
    const idFile = `${folder.path}/id`;
    const permit = ["--permit-open", "127.0.0.1"];
    await using server = startTox([...serve, idFile, "-u", "42001", ...permit]);
    const [, id] = await server.waitFor(/Tox server.* id=([0-9A-F]{76})/, 30_000);
    assert.equal(await Deno.readTextFile(idFile), id);
    const [command, rest] = ttunCommand("tox", "id", "-C", identity);
    const { stdout } = await new Deno.Command(command, { args: rest }).output();
    assert.equal(new TextDecoder().decode(stdout), `${id}\n`);
    const { mode } = await Deno.stat(`${identity}/tox_save`);
    assert.equal(mode! & 0o777, 0o600);

    const to = `127.0.0.1:${web.addr.port}`;
    const client = ["-i", id!, "--secret-file", secretFile];
    const forwards = [
      "-L",
      `18080@${to.replace(":", "@")}`,
      "-L",
      "18081:127.0.0.1:1",
      "-D",
      "11080",
    ];
    await using forwarding = startTox([...client, ...at(42_002), ...forwards]);
    const stdio = ["-W", `127.0.0.1:${echo.addr.port}`];
    await using pipe = startTox([...client, ...at(42_003), ...stdio], { stdin: { text } });
    await Deno.mkdir(`${folder.path}/ttun`);
    const hosts = `there ${id} open sesame\n`;
    await Deno.writeTextFile(`${folder.path}/ttun/tox-hosts`, hosts, { mode: 0o600 });
    await using waits = startTox(["-i", "there", ...at(42_008), ...stdio], {
      stdin: "piped",
      env: { STATE_DIRECTORY: "/dev/null/none", XDG_CONFIG_HOME: folder.path },
    });
    const given = waits.write(text);
    await using pings = startTox([...client, ...at(42_009), "-p"]);
    await using stranger = startTox(["-i", id!, ...at(42_004), ...stdio], {
      env: { STATE_DIRECTORY: "/dev/null/none", TUNTOX_SHARED_SECRET: "open sesame!" },
    });

    await forwarding.waitFor(/server is online/, TOX_LINK_MS);
    for (
      const way of [[`http://127.0.0.1:18080/`], [
        "-x",
        "socks5h://127.0.0.1:11080",
        `http://${to}/`,
      ]]
    ) {
      const response = await curl(
        ...way,
        "-D",
        `${folder.path}/head`,
        "--data-binary",
        `@${identity}/tox_save`,
      );
      assert.equal(createHash("sha256").update(response).digest("hex"), hash);
      const sent = createHash("sha256").update(await Deno.readFile(`${identity}/tox_save`));
      const head = await Deno.readTextFile(`${folder.path}/head`);
      assert.ok(head.includes(sent.digest("hex")), head);
    }
    assert.equal((await pings.status).code, 0, pings.output);
    await pings.closed;
    await pings.closed;
    assert.match(
      pings.stdout,
      /^(seq=\d+ time=\d+\.\d\d ms\n){10}10 answered, min\/avg\/max .* ms\n$/,
    );

    const refused = await Deno.connect({ hostname: "127.0.0.1", port: 18_081 });
    await assert.rejects(readAll(refused), Deno.errors.ConnectionReset);

    assert.equal((await pipe.status).code, 0, pipe.output);
    await pipe.closed;
    assert.ok(pipe.stdout === text, `${pipe.stdout.length} of ${text.length} bytes came back`);
    // Between two ends of ttun each way ends by itself: it may still have something to say.
    await given;
    await waits.closeInput();
    assert.equal((await waits.status).code, 0, waits.output);
    await waits.closed;
    assert.ok(waits.stdout === text, `${waits.stdout.length} of ${text.length} bytes came back`);
    await server.waitFor(/not let in.*why="it has no secret, or another one"/, TOX_LINK_MS);
    assert.doesNotMatch(stranger.output, /server is online/);
    assert.ok(!server.output.includes("open sesame"), server.output);

    server.signal("SIGTERM");
    assert.equal((await server.status).code, 0);
    await forwarding.waitFor(/server is offline/, TOX_LINK_MS);
    await using again = startTox([...serve, idFile, "-u", "42005", ...permit]);
    await again.waitFor(new RegExp(`Tox server.* id=${id}`), 30_000);
  },
});

async function curl(...args: string[]): Promise<Uint8Array> {
  const command = new Deno.Command("curl", { args: ["-sS", "--max-time", "60", ...args] });
  const { code, stdout, stderr } = await command.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return stdout;
}

async function readAll(conn: Deno.Conn): Promise<void> {
  for await (const _ of conn.readable);
}

test({
  name: "tox: a client that gives up says what it has reached",
  ignore: lacksToxcore(),
  fn: async () => {
    const id = "56A1ADE4B65B86BCD51CC73E2CD4E542179F47959FE3E0E21B4B0ACDADE51855D34D34D37CB5";
    const forward = ["-L", "18082:127.0.0.1:1"];
    await using client = startTox(["-i", id, ...forward, "--deadline", "1", "-u", "42006"]);
    assert.equal((await client.status).code, 6, client.output);
    await client.closed;
    assert.match(client.output, /Cannot reach the Tox network within 1 s: no node/);
    await using pipe = startTox(["-i", id, "-W", "127.0.0.1:1", "--deadline", "1", "-u", "42007"]);
    assert.equal((await pipe.status).code, 255, pipe.output);
  },
});

test({
  name: "tox: without a secret and without a whitelist a server does not start",
  fn: async () => {
    await using server = startTox([]);
    assert.equal((await server.status).code, 2, server.output);
    await server.closed;
    assert.match(server.output, /Cannot serve without a secret and without -i/);
  },
});
