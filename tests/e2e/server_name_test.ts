/** The server's name under `--kill-switch`: it alone is asked for beside the tunnel. */
import { deepEqual, doesNotMatch, match, ok } from "node:assert/strict";
import { test } from "../check.ts";
import type { Process } from "../netns.ts";
import { gatewayLab, type Lab, Leaks, reachesWeb, SERVER, WEB } from "./gateway_lab.ts";
import { ENV, pingUntil, startServer, ttunCommand } from "./tunnel.ts";

const NAME_SERVER = new URL("../fixture/name_server.ts", import.meta.url).pathname;

const ALL = ["--default-route", "--kill-switch"];

/** A client that sees these files in place of the machine's own, and has the server by its name. */
async function startWithNames(lab: Lab, folder: string) {
  const [command, args] = ttunCommand("client", "-v", "--no-warm-up", "-s", "vpn.test", ...ALL);
  await Deno.writeTextFile(`${folder}/resolv.conf`, `nameserver ${WEB.v4}\n`);
  // The C library's modules would ask without the mark, and wait in vain.
  await Deno.writeTextFile(`${folder}/nsswitch.conf`, "hosts: mymodule [!UNAVAIL=return] dns\n");
  const mounts = ["resolv.conf", "nsswitch.conf"].map((name) =>
    `touch /etc/${name}; mount --bind ${folder}/${name} /etc/${name}`
  );
  const script = `${mounts.join("\n")}\nexec "$@"`;
  return lab.client.spawn("unshare", ["-m", "sh", "-euc", script, "sh", command, ...args], {
    // Deno itself asks for a newer one.
    env: { ...ENV, DENO_NO_UPDATE_CHECK: "1", STATE_DIRECTORY: `${folder}/state` },
  });
}

/** A name server whose answer for the server is `address`. */
async function answering(lab: Lab, address: string): Promise<Process> {
  const args = ["run", "-A", NAME_SERVER, WEB.v4, "53", address];
  const names = lab.router.spawn(Deno.execPath(), args);
  await names.waitFor(/ready/);
  return names;
}

test("--kill-switch: ttun asks for the server's name beside the tunnel, and nobody else asks there", async () => {
  await using lab = await gatewayLab();
  await using names = lab.router.spawn(Deno.execPath(), ["run", "-A", NAME_SERVER, WEB.v4, "53"]);
  await names.waitFor(/ready/);
  await using server = await startServer(lab.server);
  const folder = await Deno.makeTempDir();
  await using leaks = await Leaks.watch(lab.client);
  await using client = await startWithNames(lab, folder);
  await client.waitFor(/authenticated/);
  const ask = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 5353)); " +
    `s.sendto(b'x' * 40, ('${WEB.v4}', 53))`;
  await lab.client.run("python3", ["-c", ask]);
  // Without a name server, and before one answers, the last address is as good as ever.
  names.signal("SIGKILL");
  server.signal("SIGKILL");
  await client.waitFor(/disconnected/);
  await lab.client.run("python3", ["-c", ask]);
  await using _again = await startServer(lab.server);
  await pingUntil(lab.client, WEB.v4, 10_000);
  const packets = await leaks.stop();
  ok(packets.length > 0);
  for (const line of packets) {
    match(line, /IP 10\.51\.0\.2\.\d+ > 203\.0\.113\.9\.53: .*(A|AAAA)\? vpn\.test/);
  }
  await Deno.remove(folder, { recursive: true });
});

/** A client that has found its server by the name. */
async function connectByName() {
  await using stack = new AsyncDisposableStack();
  const lab = stack.use(await gatewayLab());
  const names = stack.use(await answering(lab, SERVER.v4));
  const server = stack.use(await startServer(lab.server));
  const folder = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const client = stack.use(await startWithNames(lab, folder));
  await client.waitFor(/authenticated/);
  const owned = stack.move();
  return { lab, names, server, client, folder, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

test("--kill-switch: a forged answer for the server's name gets no traffic, and the server is found again", async () => {
  await using known = await connectByName();
  const { lab, names, server, client } = known;
  names.signal("SIGKILL");
  await names.status;
  const forged = "203.0.113.66";
  await lab.router.sh(`ip address add ${forged}/32 dev lo`);
  await using _forger = await answering(lab, forged);
  // It takes connections, and is silent.
  await using other = lab.router.spawn("nc", ["-lkvn", forged, "20203"]);
  await using leaks = await Leaks.watch(lab.client);
  server.signal("SIGKILL");
  await client.waitFor(/disconnected/);
  deepEqual(await reachesWeb(lab.client), [false, false]);
  await other.waitFor(/Connection received/, 20_000);
  await using _again = await startServer(lab.server);
  await pingUntil(lab.client, WEB.v4, 20_000);
  const questions = await leaks.stop();
  ok(questions.length > 0, "the forger is not asked");
  for (const line of questions) {
    match(line, /IP 10\.51\.0\.2\.\d+ > 203\.0\.113\.9\.53: .*(A|AAAA)\? vpn\.test/);
  }
  doesNotMatch(client.output, /authenticated.*203\.0\.113\.66/);
  other.signal("SIGTERM");
});

test("--kill-switch: after kill -9 the next start finds its server where it was, though no name server answers", async () => {
  await using known = await connectByName();
  const { lab, names, client, folder } = known;
  names.signal("SIGKILL");
  client.signal("SIGKILL");
  await Promise.all([names.status, client.status]);
  await using again = await startWithNames(lab, folder);
  await again.waitFor(/authenticated/, 20_000);
  await pingUntil(lab.client, WEB.v4, 10_000);
});

test("--kill-switch: a server that moves is found by its name's other address", async () => {
  await using known = await connectByName();
  const { lab, names, server, client } = known;
  names.signal("SIGKILL");
  server.signal("SIGKILL");
  await Promise.all([names.status, server.status]);
  const moved = "192.0.2.7";
  await lab.server.sh(`
    link=$(ip -o -4 address show to ${SERVER.v4} | cut -d " " -f 2)
    ip address del ${SERVER.v4}/24 dev $link; ip address add ${moved}/24 dev $link
    ip route add default via 192.0.2.254`);
  await lab.router.sh(`ip route replace 10.1.1.0/24 via ${moved}`);
  await using _names = await answering(lab, moved);
  await using _server = await startServer(lab.server);
  await client.waitFor(/authenticated[^]*authenticated/, 30_000);
  await pingUntil(lab.client, WEB.v4, 10_000);
});
