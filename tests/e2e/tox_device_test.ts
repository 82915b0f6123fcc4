/** A tunnel with devices over Tox, between two hosts of the test's own. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { settleCallbacks } from "../settle_callbacks.ts";
import { makeFolder } from "./proxy_files.ts";
import { lacksToxcore, TOX_LINK_MS } from "./tox_lab.ts";
import { INNER, NO_WARM_UP, ping, startServer, startTtun } from "./tunnel.ts";

settleCallbacks();

const NODE = new URL("../fixture/tox_node.ts", import.meta.url).pathname;
const MB = 1024 * 1024;

test({
  name: "a device over Tox: -l tox: and -s tox:, pings both ways, a transfer, an end that is told",
  ignore: lacksToxcore(),
  fn: async () => {
    await using hosts = await twoHosts();
    await using folder = await makeFolder();
    const nodes = `${folder.path}/nodes.json`;
    const node = ["run", "-A", NODE, nodes, "192.0.2.1", "44000"];
    await using network = hosts.server.spawn(Deno.execPath(), node, { stdin: "piped" });
    await network.waitFor(/ready/, 30_000);
    const listen = `tox:?dir=${folder.path}/server&nodes=${nodes}&udp=44001`;
    await using server = await startServer(hosts.server, "-l", listen);
    const [, url] = /listening\s+address=(tox:[0-9A-F]{76})/.exec(server.output)!;
    const at = `${url}?nodes=${nodes}&udp=44002`;
    await using client = startTtun(hosts.client, "client", "-v", NO_WARM_UP, "-s", at);
    await client.waitFor(/authenticated.*protocol=tox/, TOX_LINK_MS);
    assert.equal(await ping(hosts.client, INNER.server4), 3);
    assert.equal(await ping(hosts.server, INNER.client6), 3);

    const bytes = crypto.getRandomValues(new Uint8Array(65_536));
    const whole = new Uint8Array(MB).map((_, i) => bytes[i % bytes.length]! ^ (i >> 16));
    await Deno.writeFile(`${folder.path}/sent`, whole);
    const received = `${folder.path}/received`;
    const take = ["-u", `TCP-LISTEN:7777,bind=${INNER.server4}`, `CREATE:${received}`];
    await using taker = hosts.server.spawn("socat", ["-d", "-d", ...take]);
    await taker.waitFor(/listening on/);
    const send = ["-u", `FILE:${folder.path}/sent`, `TCP:${INNER.server4}:7777`];
    const sent = await hosts.client.run("socat", send, { timeoutMs: 60_000 });
    assert.equal(sent.code, 0, sent.stderr);
    assert.equal((await taker.status).code, 0, taker.output);
    const hash = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");
    assert.equal(hash(await Deno.readFile(received)), hash(whole));

    client.signal("SIGTERM");
    assert.equal((await client.status).code, 0, client.output);
    server.signal("SIGTERM");
    assert.equal((await server.status).code, 0, server.output);
    await network.closeInput();
    assert.equal((await network.status).code, 0, network.output);
  },
});
