import assert from "node:assert/strict";
import { test } from "../check.ts";
import { type Host, type Process, twoHosts } from "../netns.ts";
import { builtBinary } from "./binary.ts";
import { ENV, INNER, ping, SERVER, ttunCommand } from "./tunnel.ts";

/** The port of the tunnel's server, alone of all that may listen. */
const LISTENING = "4EEB";

/** Another process of the account that ttun runs as. */
const AS_NOBODY = ["--reuid=65534", "--regid=65534", "--clear-groups"];

/** Signals $1 $2 times, and prints every port that listens meanwhile. */
const SIGNAL = `
  for i in $(seq "$2"); do
    kill -USR1 "$1"
    kill -USR2 "$1"
    cat /proc/net/tcp /proc/net/tcp6
    sleep 0.025
  done | awk '$4 == "0A" { n = split($2, part, ":"); print part[n] }' | sort -u`;

async function runtimes(): Promise<[string, [string, string[]]][]> {
  const { file } = await builtBinary();
  return [
    ["from its sources", ttunCommand("server", "--user", "nobody")],
    ["as one file", [file, ["server", "--user", "nobody"]]],
  ];
}

async function signal(host: Host, process: Process, times: number): Promise<string[]> {
  const { code, stdout, stderr } = await host.run("setpriv", [
    ...[...AS_NOBODY, "--", "sh", "-euc", SIGNAL, "sh", `${process.pid}`, `${times}`],
  ]);
  assert.equal(code, 0, stderr);
  return stdout.trim().split("\n");
}

test("another process of the account opens no debugger by a signal, and the tunnel lives on", async () => {
  for (const [name, [command, args]] of await runtimes()) {
    await using hosts = await twoHosts();
    await using server = hosts.server.spawn(command, args, { env: ENV });
    await server.waitFor(/became another user/);
    const ports = await signal(hosts.server, server, 40);
    assert.deepEqual(ports, [LISTENING], `${name}: ${server.output}`);
    const [clientCommand, clientArgs] = ttunCommand("client", "-s", SERVER);
    await using client = hosts.client.spawn(clientCommand, clientArgs, { env: ENV });
    await client.waitFor(/authenticated/);
    assert.equal(await ping(hosts.client, INNER.server4), 3);
    const from = server.lineCount;
    await signal(hosts.server, server, 1);
    const [line] = await server.waitFor(/status .*/, 5000, from);
    assert.match(line, /sessions=1 sent_packets=[1-9]\d* sent_bytes=\d+ received_packets=[1-9]/);
    server.signal("SIGTERM");
    assert.equal((await server.status).code, 0, server.output);
    assert.doesNotMatch(server.output, /debugger|inspector|taken back/i);
  }
});

test("another process of the account cannot look into the memory where the keys are", async () => {
  const { file } = await builtBinary();
  const folder = await Deno.makeTempDir();
  try {
    await using hosts = await twoHosts();
    // Started by the account itself, so that no change of the user protects it.
    await hosts.client.sh(`chmod 755 ${folder}; cp ${file} ${folder}/ttun`);
    const args = ["proxy", "client", "-s", "192.0.2.1", "-l", "127.0.0.1:1080"];
    await using client = hosts.client.spawn(
      "setpriv",
      [...AS_NOBODY, "--", `${folder}/ttun`, ...args],
      { env: ENV },
    );
    await client.waitFor(/listening/);
    const look = (path: string) =>
      hosts.client.run("setpriv", [...AS_NOBODY, "--", "head", "-c", "1", `/proc/${path}`]);
    assert.equal((await look("self/environ")).code, 0);
    for (const secret of ["mem", "environ"]) {
      const { code, stderr } = await look(`${client.pid}/${secret}`);
      assert.notEqual(code, 0);
      assert.match(stderr, /Permission denied/);
    }
    client.signal("SIGTERM");
    assert.equal((await client.status).code, 0, client.output);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("one file: reads no code that others may have put into the folder for temporary files", async () => {
  const { file, name } = await builtBinary();
  const folder = await Deno.makeTempDir();
  try {
    // Whoever opened it there would wait for a writer.
    const { success } = await new Deno.Command("mkfifo", {
      args: [`${folder}/deno-compile-${name}.cache`],
    }).output();
    assert.ok(success);
    const { code } = await new Deno.Command(file, {
      args: ["--version"],
      env: { TMPDIR: folder },
      signal: AbortSignal.timeout(20_000),
    }).output();
    assert.equal(code, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
