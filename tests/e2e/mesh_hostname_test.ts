import assert from "node:assert/strict";
import { test } from "../check.ts";
import { selfSigned } from "../suite/certificates.ts";
import { ttunCommand } from "./forward_pair.ts";
import { machine, MESH_ENV } from "./mesh_machine.ts";

const READY_MS = 30_000;
const TARGET = new URL("gateway_target.mjs", import.meta.url).pathname;

/** A DNS server on port 53, whose records (CNAME) are lines of a file: a name, and where it leads. */
const DNS = `
import socket, sys
def name(text):
    return b"".join(bytes([len(p)]) + p.encode() for p in text.split(".")) + b"\\0"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    query, peer = s.recvfrom(4096)
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
        at += 1 + query[at]
    question = query[12:at + 5]
    records = dict(line.split() for line in open(sys.argv[1]))
    to = records.get(".".join(labels))
    head = query[:2] + (b"\\x81\\x80" if to else b"\\x81\\x83")
    counts = bytes([0, 1, 0, 1 if to else 0, 0, 0, 0, 0])
    answer = b""
    if to:
        data = name(to)
        answer = b"\\xc0\\x0c\\0\\5\\0\\1\\0\\0\\0\\1" + len(data).to_bytes(2, "big") + data
    s.sendto(head + counts + question + answer, peer)
`;

/** Runs a command with another DNS server than the machine's. */
const WITH_DNS = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';

test("a service is at a host name of its own, once its owner has said so", async () => {
  await using stack = new AsyncDisposableStack();
  const one = stack.use(await machine("one"));
  const { host, data } = one;
  const own = stack.use(
    selfSigned("DNS:example.test", "DNS:*.example.test", "DNS:www.custom.test"),
  );
  const place = "--host one --advertise 127.0.0.1:20204 --join-at 127.0.0.1:20205";
  assert.equal((await one.mesh(`init ${place}`)).code, 0);
  await Deno.writeTextFile(`${data}-records`, "");
  await Deno.writeTextFile(`${data}-resolv`, "nameserver 127.0.0.1\n");
  const dns = stack.use(host.spawn("python3", ["-c", DNS, `${data}-records`]));
  await dns.waitFor(/ready/, READY_MS);
  const [program, args] = ttunCommand(
    ...["mesh", "node", "--data", data, "--gateway", "127.0.0.1:8443", "--apex", "example.test"],
    ...["--gateway-cert", own.cert, "--gateway-key", own.key, "--redirect", "127.0.0.1:8081"],
  );
  const shell = ["-m", "sh", "-c", WITH_DNS, `${data}-resolv`, program, ...args];
  const node = stack.use(host.spawn("unshare", shell, { env: MESH_ENV }));
  await node.waitFor(/ Mesh node /, READY_MS);
  const service = stack.use(host.spawn("node", [TARGET]));
  await service.waitFor(/listening/, READY_MS);

  const agent = (folder: string, ...words: string[]) =>
    ttunCommand("mesh", ...words, "--data", `${data}-${folder}`);
  const run = async (folder: string, words: string, env = {}) => {
    const [program, args] = agent(folder, ...words.split(" "));
    return await host.run(program, args, { env: { ...MESH_ENV, ...env } });
  };
  const enroll = async (folder: string, names: string) => {
    const invite = (await one.mesh(`invite --names ${names}`)).stdout.trim();
    const words = `enroll example.test --at 127.0.0.1:8443 --ca ${own.cert}`;
    const { code, stderr } = await run(folder, words, { TTUN_INVITE: invite });
    assert.equal(code, 0, stderr);
  };
  const curl = async (url: string, ...more: string[]) => {
    const to = ["www.custom.test:8443:127.0.0.1", "www.custom.test:8081:127.0.0.1"];
    const all = to.flatMap((one) => ["--resolve", one]);
    const { stdout } = await host.run("curl", ["-sS", "--cacert", own.cert, ...all, ...more, url]);
    return stdout;
  };
  await enroll("laptop", "*");
  await enroll("other", "shop");
  const words = "publish 8080 --name app --hostname www.custom.test";
  const foreign = await run("other", "publish 8080 --name shop --hostname www.custom.test");
  assert.match(foreign.stderr, /the agent was enrolled for shop/);
  const unproven = await run("laptop", words);
  const [, name, to] = /, (_acme-challenge\S+) CNAME (\S+)/.exec(unproven.stderr) ?? [];
  assert.equal(name, "_acme-challenge.www.custom.test", unproven.stderr);
  assert.equal(await curl("https://www.custom.test:8443/"), ""); // nobody has the name
  await Deno.writeTextFile(`${data}-records`, `${name} ${to}\n`);

  const [publish, publishArgs] = agent("laptop", ...words.split(" "));
  const published = stack.use(host.spawn(publish, publishArgs, { env: MESH_ENV }));
  await published.waitFor(/^https:\/\/www\.custom\.test:8443\/$/m, READY_MS);
  for (const version of ["--http1.1", "--http2"]) {
    const { headers } = JSON.parse(await curl("https://www.custom.test:8443/", version));
    assert.equal(headers.host, "www.custom.test:8443");
  }
  const statusOf = ["-o", "/dev/null", "-w", "%{http_code} %{redirect_url}"];
  const redirected = await curl("http://www.custom.test:8081/x", ...statusOf);
  assert.equal(redirected, "308 https://www.custom.test:8443/x");
  const elsewhere = ["-H", "Host: elsewhere.test", ...statusOf];
  assert.equal(await curl("https://www.custom.test:8443/", ...elsewhere), "421 ");
  const names = (await run("laptop", "names list")).stdout.trim().split("\n").sort();
  assert.deepEqual(names, ["app.example.test", "www.custom.test"]);
});
