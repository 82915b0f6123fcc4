/**
 * `ttun tox` with the program tuntox at the other end, which distributions do not have: TUNTOX is the
 * path of a build. The hosts are on one network, where both programs find each other by broadcasts.
 */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { makeFolder } from "../e2e/proxy_files.ts";
import { hasSshd, sshArgs, startSshd } from "../e2e/sshd.ts";
import { lacksToxcore } from "../e2e/tox_lab.ts";
import { ttunCommand } from "../e2e/tunnel.ts";
import { type Host, type Process, twoHosts } from "../netns.ts";
import { settleCallbacks } from "../settle_callbacks.ts";

settleCallbacks();

const TUNTOX = Deno.env.get("TUNTOX") ?? "";
const isLacking = TUNTOX === "" || !hasSshd || lacksToxcore();

const SECRET = "open sesame";
const ENV = { STATE_DIRECTORY: "/dev/null/none", TUNTOX_SHARED_SECRET: SECRET, NO_COLOR: "1" };
const LINK_MS = 120_000;
const WEB = "127.0.0.1:18080";
const SIZE = 1_000_000;

/** Serves a file of zeros. */
const SERVE = `
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "${SIZE}")
        self.end_headers()
        self.wfile.write(bytes(${SIZE}))
server = http.server.ThreadingHTTPServer(("127.0.0.1", 18080), Handler)
print("ready", flush=True)
server.serve_forever()`;

async function serveWeb(host: Host): Promise<Process> {
  const web = host.spawn("python3", ["-c", SERVE]);
  await web.waitFor(/ready/);
  return web;
}

async function getsAll(host: Host, ...args: string[]): Promise<void> {
  const words = ["-sS", "--max-time", "60", "-o", "/dev/null", "-w", "%{size_download}", ...args];
  const { stdout, stderr } = await host.run("curl", words, { timeoutMs: LINK_MS });
  assert.equal(stdout, `${SIZE}`, stderr);
}

test({
  name:
    "a server that is tuntox: ssh by -W of ttun, curl by its -L and -D, and again behind its end",
  ignore: isLacking,
  fn: async () => {
    await using folder = await makeFolder();
    await using hosts = await twoHosts();
    await using _web = await serveWeb(hosts.server);
    const spawn = (command: string, args: string[]) => hosts.server.spawn(command, args);
    await using _sshd = await startSshd(folder, { spawn });
    // A third node: two alone do not find each other again where one of them was killed.
    const third = ["tox", "--open", "-u", "33449", "-C", `${folder.path}/third`];
    await using _third = hosts.client.spawn(...ttunCommand(...third), { env: ENV });
    const identity = ["-C", `${folder.path}/`, "-u", "33446:33446", "-t", "0", "-d"];
    await using server = hosts.server.spawn(TUNTOX, identity, { env: ENV });
    const [, id] = await server.waitFor(/Tox ID: ([0-9A-F]{76})/, LINK_MS);
    const to = ["tox", "-v", "-i", id!];
    const forwards = ["-u", "33450", "-L", `8000:${WEB}`, "-D", "1080"];
    await using client = hosts.client.spawn(...ttunCommand(...to, ...forwards), { env: ENV });
    await client.waitFor(/the server is tuntox/, LINK_MS);
    for (let i = 0; i < 3; i++) await getsAll(hosts.client, "http://127.0.0.1:8000/");
    await getsAll(hosts.client, "-x", "socks5h://127.0.0.1:1080", `http://${WEB}/`);
    const [program, words] = ttunCommand(...to, "-q", "-u", "33451", "-W", "127.0.0.1:%p");
    const proxy = `ProxyCommand=${[program, ...words.filter((word) => word !== "-v")].join(" ")}`;
    const ssh = ["-o", proxy, ...sshArgs(folder), "root@there", "echo 'a  b'; exit 7"];
    const done = await hosts.client.run("ssh", ssh, { env: ENV, timeoutMs: LINK_MS });
    assert.deepEqual([done.code, done.stdout], [7, "a  b\n"], done.stderr);

    // An end of input is no end of the tunnel, which has no half-close.
    const [pipe, way] = ttunCommand(...to, "-u", "33452", "-W", WEB);
    const script = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | exec "$@" | tail -c ${SIZE} | wc -c`;
    const piped = ["-c", script, "sh", pipe, ...way];
    const { stdout } = await hosts.client.run("sh", piped, { env: ENV, timeoutMs: LINK_MS });
    assert.equal(stdout.trim(), `${SIZE}`);
    const pings = ttunCommand(...to, "-u", "33453", "-p");
    const pinged = await hosts.client.run(...pings, { env: ENV, timeoutMs: LINK_MS });
    assert.match(pinged.stdout, /^10 answered, min\/avg\/max /m);

    server.signal("SIGKILL");
    await server.status;
    await client.waitFor(/the server is offline/, LINK_MS);
    const lines = client.lineCount;
    const again = identity.map((word) => word.replaceAll("33446", "33447"));
    await using _again = hosts.server.spawn(TUNTOX, again, { env: ENV });
    await client.waitFor(/server is online/, LINK_MS, lines);
    for (let i = 0; i < 2; i++) await getsAll(hosts.client, "http://127.0.0.1:8000/");
  },
});

test({
  name: "clients that are tuntox: ssh by their -W, curl by their -L and -D",
  ignore: isLacking,
  fn: async () => {
    await using folder = await makeFolder();
    await using hosts = await twoHosts();
    await using _web = await serveWeb(hosts.server);
    const spawn = (command: string, args: string[]) => hosts.server.spawn(command, args);
    await using _sshd = await startSshd(folder, { spawn });
    const own = ["-C", `${folder.path}/server`, "--permit-open", "127.0.0.1", "-u", "33460"];
    await using server = hosts.server.spawn(...ttunCommand("tox", "-v", ...own), { env: ENV });
    const [, id] = await server.waitFor(/Tox server.* id=([0-9A-F]{76})/, LINK_MS);
    const at = (port: number) => ["-i", id!, "-u", `${port}:${port}`, "-t", "0"];
    const forwards = [...at(33461), "-L", `8000:${WEB}`];
    await using _forward = hosts.client.spawn(TUNTOX, forwards, { env: ENV });
    await using _socks = hosts.client.spawn(TUNTOX, [...at(33462), "-D", "1080"], { env: ENV });
    await server.waitFor(/a client is online[^]*a client is online/, LINK_MS);
    // Each of its -L serves one connection, which waits until it knows of the link.
    await getsAll(hosts.client, "http://127.0.0.1:8000/");
    await getsAll(hosts.client, "-x", "socks5h://127.0.0.1:1080", `http://${WEB}/`);
    const proxy = `ProxyCommand=${[TUNTOX, ...at(33463), "-W", "127.0.0.1:%p"].join(" ")}`;
    const ssh = ["-o", proxy, ...sshArgs(folder), "root@there", "echo 'a  b'; exit 7"];
    const done = await hosts.client.run("ssh", ssh, { env: ENV, timeoutMs: LINK_MS });
    assert.deepEqual([done.code, done.stdout], [7, "a  b\n"], done.stderr);
    assert.equal(server.output.match(/a client is online/g)?.length, 3, server.output);
  },
});
