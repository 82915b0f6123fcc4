import assert from "node:assert/strict";
import { test } from "../check.ts";
import type { Process } from "../netns.ts";
import { ttunCommand } from "./forward_pair.ts";
import { gatewayLab, type Lab, READY_MS } from "./mesh_gateway_lab.ts";
import { MESH_ENV } from "./mesh_machine.ts";
import { hasSshd, SSH_PORT, sshArgs, startSshd } from "./sshd.ts";

/** Sends back what it has read once the other end has sent its own end; and each datagram. */
const SERVE = `
import os, socket, threading
t = socket.create_server(("127.0.0.1", 8000))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("127.0.0.1", 8000))
def datagrams():
    while True:
        data, peer = u.recvfrom(65536)
        u.sendto(data.upper(), peer)
threading.Thread(target=datagrams, daemon=True).start()
def serve(c):
    got = c.makefile("rb").read()
    c.sendall(b"got " + got)
    c.close()
print("ready", flush=True)
while True:
    c, _ = t.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
`;

/** Sends a datagram to port 9001 again and again until its answer comes. */
const ASK_UDP = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.5)
while True:
    s.sendto(b"by datagram", ("127.0.0.1", 9001))
    try:
        print(s.recv(100).decode())
        break
    except TimeoutError:
        pass
`;

/** Sends bytes by TLS as they are, then its end, and prints what comes back. */
const PLAIN = `
const [name, ca] = Deno.args;
const inner = await Deno.connect({ hostname: "127.0.0.1", port: 8443 });
const caCerts = [Deno.readTextFileSync(ca)];
const options = { hostname: name, caCerts, alpnProtocols: ["ttun-tcp/1"] };
const tls = await Deno.startTls(inner, options);
await tls.handshake();
await tls.write(new TextEncoder().encode("plain"));
await tls.closeWrite();
await tls.readable.pipeTo(Deno.stdout.writable);
`;

/** Runs something again and again until it gives what is wanted. */
async function until(what: string, isRight: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + READY_MS; Date.now() < end;) {
    if (await isRight()) return;
    await new Promise((wake) => setTimeout(wake, 100));
  }
  assert.fail(`it did not come about: ${what}`);
}

class World implements AsyncDisposable {
  readonly lab: Lab;
  readonly #stack = new AsyncDisposableStack();

  constructor(lab: Lab) {
    this.lab = this.#stack.use(lab);
  }

  /** The command line of a visitor. */
  visit(verb: string, name: string, ...more: string[]) {
    const at = ["--at", "127.0.0.1:8443", "--ca", `${this.lab.one.data}/ca.crt`];
    return ttunCommand("mesh", verb, `${name}.example.test`, ...at, ...more);
  }

  /** Connects by standard input and output, and returns what comes back. */
  async connect(name: string, more: string[], env = {}) {
    const [program, args] = this.visit("connect", name, ...more);
    const o = { env: { ...MESH_ENV, ...env }, stdin: { text: "hi" } };
    return await this.lab.one.host.run(program, args, o);
  }

  /** Listens until the end of the test. */
  async listen(name: string, ...more: string[]): Promise<Process> {
    const [program, args] = this.visit("listen", name, ...more);
    const listening = this.lab.one.host.spawn(program, args, { env: MESH_ENV });
    this.#stack.use(listening);
    await listening.waitFor(/ authenticated /, READY_MS);
    return listening;
  }

  /** Sends bytes as they are; "" = they are not taken. */
  async plain(name: string): Promise<string> {
    const args = ["eval", PLAIN, `${name}.example.test`, `${this.lab.one.data}/ca.crt`];
    return (await this.lab.one.host.run(Deno.execPath(), args)).stdout;
  }

  async publish(...words: string[]): Promise<void> {
    const { one: { host, data } } = this.lab;
    const [program, args] = ttunCommand("mesh", "publish", ...words, "--data", `${data}-nas`);
    const agent = this.#stack.use(host.spawn(program, args, { env: MESH_ENV }));
    await agent.waitFor(/^mesh:\/\/example\.test:8443\//m, READY_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

test("services of connections and datagrams are for those with an access key, or public", async () => {
  await using world = new World(await gatewayLab());
  const { lab } = world;
  const { host, data } = lab.one;
  await lab.enroll("nas", "nas,open,home");
  const access = async (words: string) => await lab.agent("nas", `access ${words}`);
  const ann = `${data}-ann`;
  assert.equal((await access(`nas add ann --out ${ann}`)).code, 0);
  assert.equal((await access("nas add ann")).code, 2);
  const bob = (await access("nas add bob")).stdout.trim();
  assert.match(bob, /^ttun-access:[\w-]{43}$/);
  assert.match((await access("nas list")).stdout, /^ann {2}.*\nbob {2}.*\n$/);
  assert.equal((Deno.statSync(ann).mode ?? 0) & 0o777, 0o600);
  await using service = host.spawn("python3", ["-c", SERVE]);
  await service.waitFor(/ready/, READY_MS);
  await world.publish("nas=tcp://127.0.0.1:8000", `home=tcp://127.0.0.1:${SSH_PORT}`, "--udp");
  await world.publish("open=tcp://127.0.0.1:8000", "--public");

  const got = await world.connect("nas", ["--access-file", ann]);
  assert.deepEqual([got.stdout, got.stderr, got.code], ["got hi", "", 0]);
  assert.equal((await world.connect("nas", [], { TTUN_ACCESS: bob })).stdout, "got hi");
  const tcp = await world.listen("nas", "-l", "9000", "--access-file", ann);
  assert.equal(await host.sh("printf one | nc -N 127.0.0.1 9000"), "got one");
  await world.listen("nas", "-l", "9001", "--udp", "--access-file", ann);
  assert.equal((await host.run("python3", ["-c", ASK_UDP])).stdout, "BY DATAGRAM\n");

  // Nobody comes without a key, by bytes as they are, or as to a web server.
  assert.equal((await world.connect("nas", [])).stdout, "");
  assert.equal(await world.plain("nas"), "");
  assert.match(await lab.curl("nas", "/", "-w", "%{http_code}"), /No web site.*404$/s);
  assert.equal(await world.plain("open"), "got plain");
  const open = await world.connect("open", []);
  assert.deepEqual([open.stdout, open.code], ["got hi", 0], open.stderr);

  // A key that is taken back ends what goes on under it.
  assert.equal((await access("nas revoke ann")).code, 0);
  await tcp.waitFor(/ key of ann has been taken back/, READY_MS);
  const isRefused = async () => (await world.connect("nas", ["--access-file", ann])).stdout === "";
  await until("the key counts no more", isRefused);
  assert.equal((await world.connect("nas", [], { TTUN_ACCESS: bob })).stdout, "got hi");
  if (hasSshd) await sshComes(world);
});

/** ssh comes to a machine by its name, with its ProxyCommand. */
async function sshComes(world: World): Promise<void> {
  const { one: { host, data }, agent } = world.lab;
  const key = `${data}-key`;
  assert.equal((await agent("nas", `access home add me --out ${key}`)).code, 0);
  const folder = { path: `${data}-ssh` };
  Deno.mkdirSync(folder.path);
  const spawn = (command: string, args: string[]) => host.spawn(command, args);
  await using _sshd = await startSshd(folder, { spawn });
  const [program, args] = world.visit("connect", "home", "--access-file", key);
  const command = `ProxyCommand=${[program, ...args].join(" ")}`;
  const ssh = ["-o", command, ...sshArgs(folder), "home.example.test", "echo by $SSH_CONNECTION"];
  let said = "";
  await until("the new key counts", async () => {
    const { stdout, stderr } = await host.run("ssh", ssh, { env: MESH_ENV });
    said = stdout + stderr;
    return stdout !== "";
  });
  assert.match(said, /^by 127\.0\.0\.1 /);
}
