/** Clients of a server that knows tuntox's tunnels alone, over libtoxcore on loopback. */
import assert from "node:assert/strict";
import { TunnelLink } from "../../src/app/tuntox/tunnel_link.ts";
import { toHex, utf8 } from "../../src/base/bytes.ts";
import { makeLogger } from "../../src/base/log.ts";
import { rng } from "../../src/cli/platform/rng.ts";
import { DenoClock } from "../../src/io/reactor/deno_clock.ts";
import { ToxServer } from "../../src/io/tox/tox_server.ts";
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
  name: "a server that is tuntox: -R and tox: URLs say so, -L and -W go by tunnels",
  ignore: lacksToxcore(),
  fn: async () => {
    await using folder = await makeFolder();
    const nodes = `${folder.path}/nodes.json`;
    await using stack = new AsyncDisposableStack();
    stack.use(openNetwork(nodes, 45_000));
    const { node, facts } = openNode(stack, 45_001, nodes);
    const id = toHex(facts.address).toUpperCase();
    const server = stack.use(
      new ToxServer({
        ...{ node, clock },
        admit: (publicKey) => ({ name: "a client", publicKey, isTrusted: true }),
        onLink: (link) => {
          const served: TunnelLink = new TunnelLink(link, {
            ...tools,
            serve: (request) => {
              const tunnel = served.tunnels.accept(request)!;
              tunnel.writeNow(utf8(`hello ${request.port}`));
              tunnel.closeWrite();
            },
          });
          return served;
        },
        onRefused: () => {},
        onSelf: () => {},
        onFailed: (error) => console.error(error),
      }),
    );
    server.start();
    const at = (port: number) => ["-i", id, "-b", nodes, "-u", String(port)];
    const url = `tox:${id}?nodes=${nodes}&udp=45004`;
    await using remote = start("tox", ...at(45_002), "-R", "18290:127.0.0.1:1");
    await using local = start("tox", ...at(45_003), "-L", "18291:127.0.0.1:80");
    const [command, rest] = ttunCommand("tox", "-v", ...at(45_005), "-W", "127.0.0.1:22");
    await using pipe = new Process(command, rest, { env: { ...ENV }, stdin: "piped" });
    await using byUrl = start("client", "-s", url, "-L", "18292:127.0.0.1:1");
    assert.equal((await remote.status).code, 2, remote.output);
    await remote.closed;
    assert.match(remote.output, /Cannot use -R: the server is tuntox or an older ttun/);
    assert.equal((await byUrl.status).code, 11, byUrl.output);
    await byUrl.closed;
    assert.match(byUrl.output, /tuntox runs there/);
    await local.waitFor(/the server is tuntox, or an older ttun/, TOX_LINK_MS);
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: 18_291 });
    const into = new Uint8Array(20);
    assert.equal(new TextDecoder().decode(into.subarray(0, (await conn.read(into))!)), "hello 80");
    // The wire has no half-close: its input stays open, and it ends with its tunnel.
    assert.equal((await pipe.status).code, 0, pipe.output);
    await pipe.closed;
    assert.equal(pipe.stdout, "hello 22");
    local.signal("SIGTERM");
    assert.equal((await local.status).code, 0, local.output);
  },
});
