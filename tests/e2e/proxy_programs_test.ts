import assert from "node:assert/strict";
// Fetched with this file, while there still is a way to the registry; proxy_node.mjs uses them.
import "socks";
import "ws";
import { test } from "../check.ts";
import { type Folder, makeCertificate, makeFolder } from "./proxy_files.ts";
import { LOOPBACK, openPair, type Pair, run } from "./proxy_pair.ts";
import { halfCloser, hasProgram } from "./proxy_targets.ts";
import { hashOfBulk, serveWeb, writeBulk } from "./proxy_web.ts";
import { hasSshd, sshArgs, startSshd } from "./sshd.ts";

const SIZE = 5 * 1024 * 1024;

/** Debian's, which has Debian's modules. */
const PYTHON = "/usr/bin/python3";

if (!hasSshd) console.log("Skipped what needs a server of SSH: openssh-server is not installed");

test({
  name: "ssh by a ProxyCommand: data both ways, and the exit code",
  ignore: !hasSshd,
  fn: async () => {
    await using folder = await makeFolder();
    await using _sshd = await startSshd(folder);
    await using pair = await openPair();
    await writeBulk(`${folder.path}/data`, SIZE);
    for (const protocol of ["5", "4", "connect"]) {
      const command = `nc.openbsd -X ${protocol} -x ${pair.proxy} %h %p`;
      const script = `ssh "$@" 'cat; exit 7' <'${folder.path}/data' | sha256sum
      echo $\{PIPESTATUS[0]}`;
      const args = ["-c", script, "bash", ...sshArgs(folder), "-o", `ProxyCommand=${command}`];
      const { stdout, stderr } = await run("bash", [...args, LOOPBACK]);
      assert.equal(stdout, `${hashOfBulk(SIZE)}  -\n7\n`, stderr);
    }
  },
});

test("nc: what is answered after the end of the input still comes", async () => {
  await using target = halfCloser();
  await using pair = await openPair();
  for (const protocol of ["5", "4", "connect"]) {
    const args = ["-N", "-X", protocol, "-x", pair.proxy, LOOPBACK, `${target.port}`];
    const input = { text: "x".repeat(100_000) };
    const { code, stdout, stderr } = await run("nc.openbsd", args, { stdin: input });
    assert.deepEqual([code, stdout], [0, "100000 bytes, then the end\n"], stderr);
  }
});

test("wget by the HTTP proxy, and by CONNECT to TLS", async () => {
  await using folder = await makeFolder();
  const made = await makeCertificate(folder);
  await using web = serveWeb();
  await using safe = serveWeb(made);
  await using pair = await openPair();
  const proxies = ["http_proxy", "https_proxy"].flatMap((
    name,
  ) => ["-e", `${name}=http://${pair.proxy}`]);
  const trust = `--ca-certificate=${made.certFile}`;
  const urls = [`http://${web.at}/bulk/${SIZE}`, `https://${safe.at}/bulk/${SIZE}`];
  for (const url of urls) {
    const script = 'wget "$@" | sha256sum';
    const args = ["-e", "use_proxy=yes", ...proxies, "-q", "-O", "-", "--tries=1", trust, url];
    const { stdout, stderr } = await run("bash", ["-c", script, "bash", ...args]);
    assert.equal(stdout, `${hashOfBulk(SIZE)}  -\n`, stderr);
  }
  assert.equal(connectsTo(pair, web.port) + connectsTo(pair, safe.port), 2);
});

/** How often the server was asked to connect there. */
function connectsTo(pair: Pair, port: number): number {
  return pair.server.output.split(new RegExp(` connect .*target=\\S+:${port}\\b`)).length - 1;
}

const PYTHON_SCRIPT = `
import hashlib, socket, sys, urllib.request
import socks
proxy, web, size = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def load(opener):
    with opener.open("http://localhost:%d/bulk/%d" % (web, size)) as answer:
        return hashlib.sha256(answer.read()).hexdigest()

handler = urllib.request.ProxyHandler({"http": "http://127.0.0.1:%d" % proxy})
print(load(urllib.request.build_opener(handler)))
socket.socket = socks.socksocket
for kind in (socks.SOCKS5, socks.SOCKS4, socks.HTTP):
    socks.set_default_proxy(kind, "127.0.0.1", proxy, rdns=True)
    print(load(urllib.request.build_opener(urllib.request.ProxyHandler({}))))
try:
    socks.set_default_proxy(socks.SOCKS5, "127.0.0.1", proxy)
    socks.socksocket().connect(("127.0.0.1", 1))
except socks.ProxyError as error:
    print(error)
`;

const hasPython = await hasProgram(PYTHON) &&
  (await run(PYTHON, ["-c", "import socks"])).code === 0;
if (!hasPython) console.log("Skipped what needs Python: python3-socks is not installed");

test({
  name: "Python: its SOCKS library, and urllib by the HTTP proxy",
  ignore: !hasPython,
  fn: async () => {
    await using web = serveWeb();
    await using pair = await openPair();
    const args = ["-c", PYTHON_SCRIPT, `${pair.port}`, `${web.port}`, `${SIZE}`];
    const { stdout, stderr } = await run(PYTHON, args);
    const lines = stdout.trim().split("\n");
    assert.deepEqual(lines.slice(0, 4), Array(4).fill(hashOfBulk(SIZE)), stderr);
    assert.match(lines[4]!, /Connection refused/);
  },
});

/** Node itself where it is there, else Deno, which runs Node's programs. */
async function runNode(folder: Folder, args: string[]) {
  const source = new URL("./proxy_node.mjs", import.meta.url).pathname;
  const lock = `--lock=${new URL("../deno.lock", import.meta.url).pathname}`; // as the test runner has
  if (!await hasProgram("node")) {
    return await run(Deno.execPath(), ["run", "-A", lock, source, ...args]);
  }
  await Deno.copyFile(source, `${folder.path}/client.mjs`);
  const { stdout } = await run(Deno.execPath(), ["info", lock, "--json", source]);
  const packages: Record<string, { name: string; localPath: string }> =
    JSON.parse(stdout).npmPackages;
  await Deno.mkdir(`${folder.path}/node_modules`);
  for (const { name, localPath } of Object.values(packages)) {
    if (name.includes("/")) continue; // of ttun itself
    await run("cp", ["-r", localPath, `${folder.path}/node_modules/${name}`]);
  }
  return await run("node", [`${folder.path}/client.mjs`, ...args]);
}

test("Node's SOCKS library", async () => {
  await using folder = await makeFolder();
  await using web = serveWeb();
  await using pair = await openPair();
  const { stdout, stderr } = await runNode(folder, ["socks", `${pair.port}`, `${web.port}`]);
  assert.equal(stdout, "done\n", stderr);
  assert.equal(connectsTo(pair, web.port), 2);
});

test("WebSockets: by the HTTP proxy's own change of protocol, by CONNECT, by SOCKS", async () => {
  await using folder = await makeFolder();
  await using pair = await openPair();
  const { stdout, stderr } = await runNode(folder, ["websocket", `${pair.port}`]);
  assert.equal(stdout, "done\n", `${stderr}${pair.client.output}`);
});
