import assert from "node:assert/strict";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { selfSigned } from "../suite/certificates.ts";
import {
  devices,
  ENV,
  INNER,
  KEY,
  NO_WARM_UP,
  pause,
  ping,
  SERVER,
  startServer,
  startTtun,
  transfer,
  ttunCommand,
} from "./tunnel.ts";
import { hasSshd, sshArgs, startSshd } from "./sshd.ts";

test("a tunnel over a unix socket, which two hosts share as they do the file system", async () => {
  await using hosts = await twoHosts();
  await using folder = await temporaryFolder();
  const url = `unix://${folder.path}/ttun.sock`;
  await using server = await startServer(hosts.server, "-l", url);
  assert.match(server.output, new RegExp(`listening\\s+address=${url}`));
  await using client = startTtun(hosts.client, "client", "-v", NO_WARM_UP, "-s", url);
  await client.waitFor(/authenticated.*protocol=unix/);
  assert.equal(await ping(hosts.client, INNER.server4), 3);
  assert.equal(await ping(hosts.server, INNER.client6), 3);
  server.signal("SIGTERM");
  assert.equal((await server.status).code, 0);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
  await client.waitFor(/there is no such socket/);
});

test("a tunnel over TLS: the certificate is verified, and the server needs its files no more", async () => {
  await using hosts = await twoHosts();
  using certificate = selfSigned("IP:192.0.2.1");
  const { cert, key } = certificate;
  const listen = ["--user", "nobody", "-l", `tls://:20203?cert=${cert}&key=${key}&alpn=ttun,h2`];
  await using server = await startServer(hosts.server, ...listen);
  assert.match(server.output, /listening\s+address=tls:\/\//);
  await Deno.remove(key);
  const pin = /TLS certificate .*sha256=(\w{64})/.exec(server.output)![1]!;
  for (const [trust, protocol] of [[`ca=${cert}`, "h2"], [`pin=${pin}`, "ttun"]] as const) {
    const url = `tls://${SERVER}?${trust}&alpn=${protocol}`;
    await using client = startTtun(hosts.client, "client", "-v", NO_WARM_UP, "-s", url);
    await client.waitFor(new RegExp(`TLS protocol .*alpn=${protocol}`));
    await client.waitFor(/authenticated/);
    assert.equal(await ping(hosts.client, INNER.server4), 3);
    assert.ok(await transfer(hosts, INNER.server4) > 1);
    client.signal("SIGTERM");
    assert.equal((await client.status).code, 0);
  }
  const other = `tls://${SERVER}?pin=${pin}&alpn=x`;
  await using foreign = startTtun(hosts.client, "client", "--retries", "0", "-s", other);
  await foreign.waitFor(/Cannot use TLS with 192\.0\.2\.1:20203: .* no protocol in common/);
  await foreign.status;
  await server.waitFor(/TLS handshake failed .*no protocol in common/);
  const url = `tls://${SERVER}`;
  await using client = startTtun(hosts.client, "client", NO_WARM_UP, "--retries", "0", "-s", url);
  await client.waitFor(/Cannot trust the certificate of 192\.0\.2\.1:20203: self.signed/);
  assert.equal((await client.status).code, 3);
  server.signal("SIGTERM");
  assert.equal((await server.status).code, 0);
});

test("clients of one server come by TCP and by a unix socket at the same time", async () => {
  await using hosts = await twoHosts();
  await using folder = await temporaryFolder();
  const url = `unix://${folder.path}/ttun.sock`;
  const listen = ["-l", url, "-l", ":20203"];
  await using server = await startServer(hosts.server, "--pool", "10.5.0.0/24", ...listen);
  await using byTcp = startTtun(hosts.client, "client", NO_WARM_UP, "-s", SERVER);
  await byTcp.waitFor(/authenticated.*protocol=m?p?tcp/);
  // A host without any network, which has its own identity.
  const [command, args] = ttunCommand("client", NO_WARM_UP, "--name", "alone", "-s", url);
  const inside = ["-n", command, ...args];
  await using byUnix = hosts.client.spawn("unshare", inside, { env: ENV });
  await byUnix.waitFor(/authenticated.*protocol=unix/);
  assert.equal(await ping(hosts.server, "10.5.0.2"), 3);
  assert.equal(await ping(hosts.server, "10.5.0.3"), 3);
  assert.equal((server.output.match(/ listening /g) ?? []).length, 2);
});

test("a tunnel by way of a command, which ends with it", async () => {
  await using hosts = await twoHosts();
  await using folder = await temporaryFolder();
  const path = `${folder.path}/ttun.sock`;
  await using _server = await startServer(hosts.server, "-l", `unix://${path}`);
  const command = `sh -c 'echo $$ >${folder.path}/pid; echo started >&2; nc -U ${path}'`;
  const url = `exec:${command}`;
  await using client = startTtun(hosts.client, "client", "-v", NO_WARM_UP, "-s", url);
  await client.waitFor(/authenticated/);
  await client.waitFor(/command of exec: says\s+line=started/);
  assert.equal(await ping(hosts.client, INNER.server4), 3);
  assert.equal(await ping(hosts.server, INNER.client6), 3);
  const pid = Deno.readTextFileSync(`${folder.path}/pid`).trim();
  const isThere = async () => (await hosts.client.sh(`ps -o stat= -p ${pid} || true`)).trim();
  assert.match(await isThere(), /^S/);
  client.signal("SIGTERM");
  assert.equal((await client.status).code, 0);
  assert.match(await isThere(), /^Z?$/);
});

test("the command has neither root nor the capability that --user keeps", async () => {
  await using hosts = await twoHosts();
  await using _server = await startServer(hosts.server);
  const show = 'grep -E "^(Uid|CapEff|CapPrm|CapAmb):" /proc/self/status >&2';
  const url = `exec:sh -c '${show}; exec nc ${SERVER.replace(":", " ")}'`;
  await using client = startTtun(hosts.client, "client", NO_WARM_UP, "--user", "nobody", "-s", url);
  await client.waitFor(/authenticated/);
  assert.equal(await ping(hosts.client, INNER.server4), 3);
  assert.match(client.output, /line="Uid:\S*(65534\S*){4}"/);
  for (const set of ["CapEff", "CapPrm", "CapAmb"]) {
    assert.match(client.output, new RegExp(`line="${set}:\\S*0{16}"`));
  }
  assert.match(await hosts.client.sh(`cat /proc/${client.pid}/task/*/status`), /CapEff:\s*0*1000/);
});

for (
  const [what, around] of [["a socket", "exec SERVER"], ["pipes", "cat | SERVER | cat"]] as const
) {
  test(`a tunnel between a command and standard input and output: ${what}`, async () => {
    await using hosts = await twoHosts();
    await using folder = await temporaryFolder();
    const key = `${folder.path}/key`;
    await Deno.writeTextFile(key, KEY, { mode: 0o600 });
    const [command, args] = ttunCommand("server", "-l", "stdio:", "--key-file", key, NO_WARM_UP);
    const server = ["nsenter", "-t", hosts.server.pid, "-n", command, ...args].join(" ");
    const script = `${folder.path}/server.sh`;
    await Deno.writeTextFile(script, around.replace("SERVER", server));
    await using client = startTtun(hosts.client, "client", NO_WARM_UP, "-s", `exec:sh ${script}`);
    await client.waitFor(/authenticated.*protocol=unix/);
    await client.waitFor(/command of exec: says.*authenticated.*protocol=stdio/);
    assert.equal(await ping(hosts.client, INNER.server4), 3);
    assert.equal(await ping(hosts.server, INNER.client6), 3);
    assert.ok((await devices(hosts.server)).includes("ttun0"));
    client.signal("SIGTERM");
    assert.equal((await client.status).code, 0);
    assert.ok(!(await devices(hosts.server)).includes("ttun0"));
  });
}

test({
  name: "a tunnel over ssh, by its standard input and output",
  ignore: !hasSshd,
  fn: async () => {
    await using hosts = await twoHosts();
    await using folder = await temporaryFolder();
    const { path } = folder;
    const address = SERVER.replace(/:.*/, "");
    const spawn = (command: string, args: string[]) => hosts.server.spawn(command, args);
    await using _sshd = await startSshd(folder, { address, spawn });
    await Deno.writeTextFile(`${path}/key`, KEY, { mode: 0o600 });
    const [command, args] = ttunCommand("server", "-l", "stdio:", "--key-file", `${path}/key`);
    const far = [command, ...args, NO_WARM_UP].join(" ");
    const url = `exec:ssh ${sshArgs(folder).join(" ")} root@${address} "${far}"`;
    await using client = startTtun(hosts.client, "client", NO_WARM_UP, "-s", url);
    await client.waitFor(/authenticated.*protocol=unix/);
    assert.equal(await ping(hosts.client, INNER.server4), 3);
    assert.ok(await transfer(hosts, INNER.server4) > 1);
    client.signal("SIGTERM");
    assert.equal((await client.status).code, 0);
    for (let tries = 50; (await devices(hosts.server)).includes("ttun0"); tries--) {
      assert.ok(tries > 0, "the server has ended with the connection");
      await pause(100);
    }
  },
});

test("a server on standard input and output prints nothing else there, and ends with them", async () => {
  await using hosts = await twoHosts();
  await using folder = await temporaryFolder();
  const [command, args] = ttunCommand("server", "-v", "--no-tun", "-l", "stdio:");
  const server = [command, ...args].join(" ");
  const random = `${folder.path}/random`;
  await Deno.writeFile(random, crypto.getRandomValues(new Uint8Array(65_000)));
  for (const input of ["/dev/null", "/etc/hostname", random]) {
    const line = `${server} <${input} >${folder.path}/out`;
    const { code, stderr } = await hosts.server.run("sh", ["-c", line], { env: ENV });
    assert.equal(code, 0, stderr);
    assert.match(stderr, /listening\s+address=stdio:/);
    assert.equal(Deno.readTextFileSync(`${folder.path}/out`), "");
  }
  const closed = await hosts.server.run("sh", ["-c", `${server} <&- >&-`], { env: ENV });
  assert.equal(closed.code, 0, closed.stderr); // Deno puts /dev/null in their place
});

async function temporaryFolder() {
  const path = await Deno.makeTempDir();
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}
