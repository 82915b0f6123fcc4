/** A server with clients of both kinds, over libtoxcore on loopback. */
import assert from "node:assert/strict";
import { TunnelLink } from "../../src/app/tuntox/tunnel_link.ts";
import { fromHex, utf8 } from "../../src/base/bytes.ts";
import { makeLogger } from "../../src/base/log.ts";
import type { TunnelStream } from "../../src/core/tuntox/tunnel_stream.ts";
import { rng } from "../../src/cli/platform/rng.ts";
import { read } from "../../src/app/loop/stream_io.ts";
import { DenoClock } from "../../src/io/reactor/deno_clock.ts";
import { ToxClient } from "../../src/io/tox/tox_client.ts";
import { test } from "../check.ts";
import { requireOwnNamespace } from "../own_namespace.ts";
import { Process } from "../process.ts";
import { settleCallbacks } from "../settle_callbacks.ts";
import { makeFolder } from "./proxy_files.ts";
import { lacksToxcore, openNetwork, openNode, TOX_LINK_MS } from "./tox_lab.ts";
import { ENV, ttunCommand } from "./tunnel.ts";

requireOwnNamespace();
settleCallbacks();

const clock = new DenoClock();
const log = makeLogger(() => {}, Date.now, "error");
const tools = { clock, log, random: rng };

function start(...args: string[]): Process {
  const [command, rest] = ttunCommand(...args, "-v");
  return new Process(command, rest, { env: { ...ENV } });
}

test({
  name:
    "one server has a friend that is tuntox, one that is ttun, and a stranger who hears nothing",
  ignore: lacksToxcore(),
  fn: async () => {
    await using folder = await makeFolder();
    const nodes = `${folder.path}/nodes.json`;
    await using stack = new AsyncDisposableStack();
    stack.use(openNetwork(nodes, 45_100));
    const secret = `${folder.path}/secret`;
    await Deno.writeTextFile(secret, "open sesame\n", { mode: 0o600 });
    using target = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const port = target.addr.port;
    void (async () => { // it ends with the listener
      for await (const conn of target) {
        await conn.write(utf8("hello"));
        conn.close();
      }
    })();
    const key = ["--secret-file", secret, "-b", nodes];
    const serve = ["-C", folder.path, "-u", "45101", "--permit-open", "127.0.0.1"];
    await using server = start("tox", ...key, ...serve);
    const [, id] = await server.waitFor(/Tox server.* id=([0-9A-F]{76})/, 30_000);
    const forward = ["-i", id!, "-u", "45102", "-L", `18293:127.0.0.1:${port}`];
    await using client = start("tox", ...key, ...forward);
    const wrong = `${folder.path}/wrong`;
    await Deno.writeTextFile(wrong, "close sesame\n", { mode: 0o600 });
    const wrongKey = ["--key-file", wrong, "-L", `18294:127.0.0.1:${port}`, "--once"];
    await using stranger = start("client", "-s", `tox:${id}?nodes=${nodes}&udp=45104`, ...wrongKey);

    const { node } = openNode(stack, 45_103, nodes);
    const up = Promise.withResolvers<void>();
    const old = stack.use(
      new ToxClient({
        ...{ node, clock, name: "the server", message: utf8("open sesame\0").slice() },
        address: new Uint8Array(fromHex(id!.toLowerCase())),
        onState: (state) => state === "up" && up.resolve(),
        onFailed: up.reject,
      }),
    );
    old.start();
    await up.promise;
    const tunnels = stack.use(new TunnelLink(old.link, tools));
    await client.waitFor(/the server is ttun/, TOX_LINK_MS);
    await client.waitFor(/authenticated.*carries=streams/, TOX_LINK_MS);
    const opened = Promise.withResolvers<TunnelStream>();
    tunnels.tunnels.open({ host: "127.0.0.1", port }, new Uint8Array(), {
      opened: opened.resolve,
      refused: (_, error) => opened.reject(error),
    });
    const into = new Uint8Array(10);
    assert.equal(await read(await opened.promise, into), 5);
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: 18_293 });
    assert.equal(await conn.read(into), 5);
    assert.deepEqual(into.subarray(0, 5), utf8("hello"));
    // Strangers hear nothing.
    assert.equal((await stranger.status).code, 6, stranger.output);
    await stranger.closed;
    assert.match(stranger.output, /Cannot authenticate with tox:/);
    assert.equal(server.output.match(/a client is online/g)?.length, 3, server.output);
    assert.ok(!server.output.includes("sesame"), server.output);
  },
});
