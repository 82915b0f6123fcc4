import assert from "node:assert/strict";
import { test } from "../check.ts";
import { bridgedHosts } from "../networks.ts";
import { ENV, PERMIT, ttunCommand } from "./forward_pair.ts";
import { gatewayLab, READY_MS } from "./mesh_gateway_lab.ts";
import { machine, MESH_ENV } from "./mesh_machine.ts";
import { INNER, NO_WARM_UP, ping } from "./tunnel.ts";

test("a server at a name of a mesh is reached through a node that knows no key", async () => {
  await using lab = await gatewayLab();
  await lab.enroll("home", "home");
  const { host, data } = lab.one;
  const listen = `mesh://example.test/home?data=${data}-home`;
  const [serve, serveArgs] = ttunCommand("server", "--no-tun", "-l", listen, ...PERMIT);
  await using server = host.spawn(serve, serveArgs, { env: ENV });
  await server.waitFor(/ published +name=mesh:\/\/example\.test\/home/, READY_MS);
  const run = async (words: string[], text = "") => {
    const url = `mesh://example.test/home?at=127.0.0.1:8443&ca=${data}/ca.crt`;
    const [program, args] = ttunCommand(words[0]!, "-s", url, ...words.slice(1));
    return await host.run(program, args, { env: ENV, stdin: { text } });
  };
  const got = await run(["client", "-W", "127.0.0.1:8080"], "GET /over HTTP/1.0\r\n\r\n");
  assert.match(got.stdout, /"url":"\/over"/, got.stderr);
  const pinged = await run(["ping", "--count", "2", "--interval", "50"]);
  assert.equal(pinged.code, 0, pinged.stderr);
  // The web is not there, and a name that nobody has leads nowhere.
  assert.match(await lab.curl("home", "/", "-w", "%{http_code}"), /No web site.*404$/s);
  server.signal("SIGTERM");
  assert.equal((await server.status).code, 0);
});

/** Sends back each line. */
const ECHO = `
import socket
s = socket.create_server(("127.0.0.1", 8000))
print("ready", flush=True)
c, _ = s.accept()
for line in c.makefile("rb"):
    c.sendall(line)
`;

/** Sends a line for each of its input over one connection, and prints what comes back. */
const ASK = `
import socket, sys
s = socket.create_connection(("127.0.0.1", 9000))
back = s.makefile("rb")
for line in sys.stdin:
    s.sendall(line.encode())
    print("back " + back.readline().decode(), flush=True)
`;

test("a device and forwards through a mesh go on when the node that carried them is killed", async () => {
  await using stack = new AsyncDisposableStack();
  const { server: first, clients } = stack.use(await bridgedHosts(3));
  const [second, home, away] = clients;
  const one = stack.use(await machine("n1", first));
  const two = stack.use(await machine("n2", second!));
  const gateway = ["--gateway", "443", "--apex", "example.test"];
  assert.equal((await one.mesh("init --host a --advertise 192.0.2.1")).code, 0);
  const victim = stack.use(await one.node(...gateway));
  const wish = { host: "", roles: ["node", "gateway"], lifetimeMs: 3600_000, uses: 1 };
  const { invite } = JSON.parse((await one.ask("/v1/invites", "-d", JSON.stringify(wish))).body);
  const joined = await two.mesh("join --host b --advertise 192.0.2.2", {
    env: { TTUN_INVITE: invite },
  });
  assert.equal(joined.code, 0, joined.stderr);
  stack.use(await two.node(...gateway));

  const data = `${one.data}-agent`;
  const env = { ...MESH_ENV, TTUN_INVITE: (await one.mesh("invite --names home")).stdout.trim() };
  const words = ["enroll", "example.test", "--at", "192.0.2.1", "--data", data];
  const enrolled = await home!.run(...ttunCommand("mesh", ...words), { env });
  assert.equal(enrolled.code, 0, enrolled.stderr);
  const echo = stack.use(home!.spawn("python3", ["-c", ECHO]));
  await echo.waitFor(/ready/, READY_MS);
  const listen = `mesh://example.test/home?data=${data}`;
  const server = stack.use(
    home!.spawn(...ttunCommand("server", "-l", listen, NO_WARM_UP, ...PERMIT), { env: ENV }),
  );
  await server.waitFor(/ published [^]* published /, 2 * READY_MS); // by both nodes

  const at = `mesh://example.test/home?at=192.0.2.1,192.0.2.2&ca=${one.data}/ca.crt`;
  const forward = ["--tun", NO_WARM_UP, "-L", "9000:127.0.0.1:8000"];
  const client = stack.use(
    away!.spawn(...ttunCommand("client", "-s", at, ...forward), { env: ENV }),
  );
  await client.waitFor(/ authenticated /, READY_MS);
  assert.equal(await ping(away!, INNER.server4), 3);
  const ask = stack.use(away!.spawn("python3", ["-c", ASK], { stdin: "piped" }));
  ask.write("one\n");
  await ask.waitFor(/back one/, READY_MS);
  victim.signal("SIGKILL");
  await victim.status;
  await client.waitFor(/ authenticated +server=192\.0\.2\.2:443 /, READY_MS);
  ask.write("two\n");
  await ask.waitFor(/back two/, READY_MS);
  assert.equal(await ping(away!, INNER.server4), 3);
  for (const end of [client, server]) {
    end.signal("SIGTERM");
    assert.equal((await end.status).code, 0);
  }
});
