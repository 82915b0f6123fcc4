import assert from "node:assert/strict";
import { test } from "../check.ts";
import { type Folder, makeFolder } from "./proxy_files.ts";
import { LOOPBACK, run, spawnHere } from "./proxy_pair.ts";
import { halfCloser, hasProgram } from "./proxy_targets.ts";
import { hashOfBulk, serveWeb, writeBulk } from "./proxy_web.ts";
import {
  ENV,
  type Forwards,
  listensAt,
  openForwards,
  PERMIT,
  ttunCommand,
  until,
} from "./forward_pair.ts";
import { hasSshd, SSH_PORT, sshArgs, startSshd } from "./sshd.ts";

const MB = 1024 * 1024;
const BIG = 50 * MB;
const GIT_PORT = 20_418;
const RSYNC_PORT = 20_873;

const hasRsync = await hasProgram("rsync");

if (!hasSshd) console.log("Skipped what needs a server of SSH: openssh-server is not installed");
if (!hasRsync) console.log("Skipped what needs rsync: it is not installed");

/** True where a program listens on loopback: /proc/net/tcp has state 0A then. */
function listens(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return new RegExp(`^ *\\d+: 0100007F:${hex} \\S+ 0A `, "m")
    .test(Deno.readTextFileSync("/proc/net/tcp"));
}

/** Ways of curl by -L and -D, and the URL's beginning that each of them needs. */
function waysOf({ ports: [local, _, dynamic] }: Forwards, folder: Folder, port: number) {
  const direct = `http://${LOOPBACK}:${port}`;
  return {
    "-L": { args: [], url: `http://${LOOPBACK}:${local}` },
    "-L, a unix socket here": { args: ["--unix-socket", `${folder.path}/here`], url: "http://x" },
    "-D by SOCKS5": { args: ["-x", `socks5h://${LOOPBACK}:${dynamic}`], url: direct },
    "-D by SOCKS4": { args: ["-x", `socks4a://${LOOPBACK}:${dynamic}`], url: direct },
    "-D by HTTP": { args: ["-x", `http://${LOOPBACK}:${dynamic}`], url: direct },
    "-D, a unix socket here": {
      args: ["-x", `socks5h://localhost${folder.path}/front`],
      url: direct,
    },
  };
}

for (const io of ["ffi", "deno"]) {
  test(`curl by each kind of forward: up and down at the same time: --io ${io}`, async () => {
    await using web = serveWeb();
    await using folder = await makeFolder();
    await using pair = await openForwards({
      both: ["--io", io],
      client: [
        ...["-L", `0:${web.at}`, "-L", `${folder.path}/here:${web.at}`],
        ...["-D", "0", "-D", `${folder.path}/front`],
      ],
    });
    const file = `${folder.path}/big`;
    await writeBulk(file, BIG);
    const ways = Object.entries(waysOf(pair, folder, web.port));
    for (const [name, { args, url }] of ways) {
      const { stdout, stderr } = await run("curl", ["-sS", ...args, `${url}/hello`]);
      assert.equal(stdout, "hello\n", `${name}: ${stderr}${pair.server.output}`);
    }
    await Promise.all([...ways.slice(0, 3), ways[4]!].map(async ([name, { args, url }]) => {
      const down = ["-c", 'curl "$@" | sha256sum', "sh", "-sS", ...args, `${url}/bulk/${BIG}`];
      const up = ["-sS", ...args, "-T", file, `${url}/echo`];
      const [downloaded, uploaded] = await Promise.all([run("sh", down), run("curl", up)]);
      assert.equal(downloaded.stdout, `${hashOfBulk(BIG)}  -\n`, `${name}: ${downloaded.stderr}`);
      assert.equal(uploaded.stdout, `${BIG} ${hashOfBulk(BIG)}\n`, `${name}: ${uploaded.stderr}`);
    }));
  });
}

test("nc: what is answered after the end of the input still comes, by TCP and unix sockets", async () => {
  await using target = halfCloser();
  await using folder = await makeFolder();
  const [here, there] = [`${folder.path}/here`, `${folder.path}/there`];
  const counts = `import socket
s = socket.socket(socket.AF_UNIX); s.bind("${there}"); s.listen(); print("listens", flush=True)
while True:
  c = s.accept()[0]
  n = sum(iter(lambda: len(c.recv(65536)), 0))
  c.sendall(b"%d bytes, then the end\\n" % n); c.close()`;
  await using counter = spawnHere("python3", ["-c", counts]);
  await counter.waitFor(/listens/);
  await using pair = await openForwards({
    server: [...PERMIT, "--permit-open", `unix:${there}`],
    client: [
      ...["-L", `0:${LOOPBACK}:${target.port}`, "-L", `0:${there}`],
      ...["-L", `${here}:${there}`, "-D", "0"],
    ],
  });
  const [local, toPath, _, dynamic] = pair.ports;
  const front = ["-X", "5", "-x", `${LOOPBACK}:${dynamic}`];
  const ways = [
    [LOOPBACK, `${local}`],
    [...front, LOOPBACK, `${target.port}`],
    [LOOPBACK, `${toPath}`],
    ["-U", here],
  ];
  for (const way of ways) {
    const input = { text: "x".repeat(300_000) };
    const { code, stdout, stderr } = await run("nc.openbsd", ["-N", ...way], { stdin: input });
    const words = `${stderr}${pair.client.output}${pair.server.output}`;
    assert.deepEqual([code, stdout], [0, "300000 bytes, then the end\n"], `${way}: ${words}`);
  }
});

test("git clone and a websocket by -L", async () => {
  await using web = serveWeb();
  await using folder = await makeFolder();
  const git = (...args: string[]) =>
    run("git", ["-c", "user.name=t", "-c", "user.email=t@example.org", ...args], {
      cwd: folder.path,
    });
  await git("init", "-q", "repo");
  await writeBulk(`${folder.path}/repo/data`, 3 * MB);
  await git("-C", "repo", "add", "data");
  await git("-C", "repo", "commit", "-q", "-m", "data");
  await using daemon = spawnHere("git", [
    ...["daemon", "--verbose", "--export-all", `--base-path=${folder.path}`],
    ...[`--listen=${LOOPBACK}`, `--port=${GIT_PORT}`],
  ]);
  await daemon.waitFor(/Ready to rumble/);
  await using pair = await openForwards({
    client: ["-L", `0:${LOOPBACK}:${GIT_PORT}`, "-L", `0:${web.at}`],
  });
  const url = `git://${LOOPBACK}:${pair.ports[0]}/repo`;
  const { code, stderr } = await git("clone", "-q", url, "copy");
  assert.equal(code, 0, stderr);
  const copy = await Deno.readFile(`${folder.path}/copy/data`);
  assert.deepEqual(copy, await Deno.readFile(`${folder.path}/repo/data`));

  const socket = new WebSocket(`ws://${LOOPBACK}:${pair.ports[1]}/socket`);
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  const { promise: said, resolve, reject } = Promise.withResolvers<string>();
  socket.onopen = () => socket.send("x".repeat(100_000));
  socket.onmessage = ({ data }) => resolve(data);
  socket.onerror = () => reject(new Error("no websocket"));
  socket.onclose = () => close();
  assert.equal((await said).length, 100_000);
  socket.close();
  await closed;
});

test({
  name: "rsync: to its daemon by -L, and back by -W as ssh's ProxyCommand",
  ignore: !hasSshd || !hasRsync,
  fn: async () => {
    await using folder = await makeFolder();
    await using _sshd = await startSshd(folder);
    const { path } = folder;
    for (const name of ["from/deep", "there", "back"]) {
      await Deno.mkdir(`${path}/${name}`, { recursive: true });
    }
    await writeBulk(`${path}/from/big`, 5 * MB);
    for (let i = 0; i < 200; i++) await writeBulk(`${path}/from/deep/${i}`, 100 * i);
    await Deno.writeTextFile(
      `${path}/rsyncd.conf`,
      `[there]\npath = ${path}/there\nread only = no\nuse chroot = no\nuid = 0\ngid = 0\n`,
    );
    await using _daemon = spawnHere("rsync", [
      ...["--daemon", "--no-detach", `--address=${LOOPBACK}`, `--port=${RSYNC_PORT}`],
      ...[`--config=${path}/rsyncd.conf`, "--log-file=/dev/null"],
    ]);
    await until(() => listens(RSYNC_PORT), () => "rsync does not listen");
    await using pair = await openForwards({ client: ["-L", `0:${LOOPBACK}:${RSYNC_PORT}`] });
    const rsync = async (...args: string[]) => {
      const { code, stderr } = await run("rsync", ["-a", ...args], { env: ENV });
      assert.equal(code, 0, stderr + pair.client.output);
    };
    await rsync(`${path}/from/`, `rsync://${LOOPBACK}:${pair.ports[0]}/there/`);
    const [command, args] = ttunCommand("client", "-s", listensAt(pair.server), "-W", "%h:%p");
    const proxy = [command, ...args].join(" ");
    const ssh = ["ssh", ...sshArgs(folder), "-o", `'ProxyCommand=${proxy}'`].join(" ");
    await rsync("-e", ssh, `${LOOPBACK}:${path}/there/`, `${path}/back/`);
    const { code, stdout } = await run("diff", ["-r", `${path}/from`, `${path}/back`]);
    assert.equal(code, 0, stdout);
  },
});

test({
  name: "an ssh session by -L, and one by -D: data both ways, and the exit code",
  ignore: !hasSshd,
  fn: async () => {
    await using folder = await makeFolder();
    await using _sshd = await startSshd(folder);
    await using pair = await openForwards({
      client: ["-L", `0:${LOOPBACK}:${SSH_PORT}`, "-D", "0"],
    });
    await writeBulk(`${folder.path}/data`, 5 * MB);
    const [local, dynamic] = pair.ports;
    const front = `ProxyCommand=nc.openbsd -X 5 -x ${LOOPBACK}:${dynamic} %h %p`;
    for (const args of [sshArgs(folder, local), [...sshArgs(folder), "-o", front]]) {
      const script = `ssh "$@" 'cat; exit 7' <'${folder.path}/data' | sha256sum
      echo $\{PIPESTATUS[0]}`;
      const { stdout, stderr } = await run("bash", ["-c", script, "bash", ...args, LOOPBACK]);
      assert.equal(stdout, `${hashOfBulk(5 * MB)}  -\n7\n`, stderr);
    }
  },
});
