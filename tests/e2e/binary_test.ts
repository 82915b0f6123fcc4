import assert from "node:assert/strict";
import manifest from "../../deno.json" with { type: "json" };
import { EXIT_CODES } from "../../src/base/errors.ts";
import { COMPLETIONS } from "../../src/cli/command/completions.ts";
import { manPage } from "../../src/cli/command/man_page.ts";
import { COMMANDS } from "../../src/cli/command/commands.ts";
import { test } from "../check.ts";
import { type Host, type Process, type SpawnOptions, twoHosts } from "../netns.ts";
import { builtBinary } from "./binary.ts";
import { devices, ENV, INNER, ping, SERVER } from "./tunnel.ts";

/** Words of Deno's to a user who has never heard of it. */
const OF_DENO = /requests .* access|Allow\?|--allow-|\bdeno (run|compile)|\bRUST_BACKTRACE\b/i;

async function start(host: Host, args: string[], options: SpawnOptions = {}): Promise<Process> {
  return host.spawn((await builtBinary()).file, args, { env: ENV, ...options });
}

/** Starts it by a shell's script, which gets the file as $1 and the arguments behind it. */
async function startBy(host: Host, script: string, args: string[]): Promise<Process> {
  const { file } = await builtBinary();
  return host.spawn("sh", ["-euc", script, "sh", file, ...args], { env: ENV });
}

async function run(host: Host, args: string[], options: SpawnOptions = {}): Promise<Process> {
  const process = await start(host, args, options);
  await process.status;
  await process.closed;
  return process;
}

async function expectPings(hosts: { server: Host; client: Host }): Promise<void> {
  assert.equal(await ping(hosts.client, INNER.server4), 3);
  assert.equal(await ping(hosts.server, INNER.client6), 3);
}

/** Sends Ctrl-C and expects the end within a second, with nothing left on the host. */
async function expectEnd(host: Host, process: Process): Promise<void> {
  const began = performance.now();
  process.signal("SIGINT");
  assert.equal((await process.status).code, 0, process.output);
  assert(performance.now() - began < 1000);
  assert.deepEqual(await devices(host), ["lo", "veth0"]);
}

test("one file: ttun doctor sees what the kernel and the user have", async () => {
  await using hosts = await twoHosts();
  const doctor = await run(hosts.client, ["doctor", "--json"]);
  const { findings } = JSON.parse(doctor.stdout) as {
    findings: { check: string; level: string; says: string }[];
  };
  const found = new Map(findings.map(({ check, level, says }) => [check, `${level}: ${says}`]));
  assert.equal(found.get("privileges"), "ok: it may make devices (CAP_NET_ADMIN)");
  assert.equal(found.get("device"), "ok: /dev/net/tun can be opened");
  assert.equal(found.get("ipv6"), "ok: it is switched on");
  assert.match(found.get("congestion")!, /^(ok|warn): BBR is/);
  assert.match(found.get("descriptors")!, /: up to \d+/);
});

test("one file: version, help, and a key of its own making", async () => {
  await using hosts = await twoHosts();
  const version = await run(hosts.client, ["--version"]);
  assert.equal(version.output, `ttun ${manifest.version}`);
  const help = await run(hosts.client, ["client", "--help"]);
  assert.match(help.stdout, /^ttun client -s HOST\[:PORT\]/);
  const key = await run(hosts.client, ["genkey"]);
  assert.match(key.stdout, /^\S{20,}\n$/);
  const details = await run(hosts.client, ["--version", "-v"]);
  assert.match(details.stdout, /^Deno {5}\d\S+ \(.+\)\nV8 .+\nOpenSSL {2}OpenSSL \d.*\nwire /m);
  const pages = [];
  for (const [shell, script] of Object.entries(COMPLETIONS)) {
    const page = await run(hosts.client, ["completions", shell]);
    assert.equal(page.stdout, script(COMMANDS));
    pages.push(page);
  }
  const manual = await run(hosts.client, ["man"]);
  assert.equal(manual.stdout, manPage(COMMANDS));
  const told = [version, help, key, details, manual, ...pages];
  for (const { stderr } of told) assert.equal(stderr, "");
});

test("one file: a real tunnel, whose both ends Ctrl-C ends within a second", async () => {
  await using hosts = await twoHosts();
  await using server = await start(hosts.server, ["server"]);
  await server.waitFor(/listening/);
  await using client = await start(hosts.client, ["client", "-s", SERVER, "--user", "nobody"]);
  await client.waitFor(/authenticated/);
  await expectPings(hosts);
  const capable = await hosts.client.sh(
    `grep -h ^CapEff: /proc/${client.pid}/task/*/status | grep -vc '0000000000000000$'`,
  );
  assert.equal(capable, "1\n"); // one thread can change the network
  await hosts.client.sh("ip link set ttun0 down");
  await client.waitFor(/put back what another program has taken/);
  await expectPings(hosts);
  await expectEnd(hosts.client, client);
  await expectEnd(hosts.server, server);
  for (const { output } of [server, client]) assert.doesNotMatch(output, OF_DENO);
});

test("one file: a wrong key is named as such, and a missing one too", async () => {
  await using hosts = await twoHosts();
  await using server = await start(hosts.server, ["server"]);
  await server.waitFor(/listening/);
  const wrong = await run(hosts.client, ["client", "-s", SERVER, "--once"], {
    env: { ...ENV, TTUN_KEY: "another horse, another battery" },
  });
  assert.equal((await wrong.status).code, EXIT_CODES.auth.code, wrong.output);
  assert.match(wrong.stderr, /wrong key or cipher/i);
  const { TTUN_KEY: _, ...keyless } = ENV;
  const missing = await run(hosts.client, ["client", "-s", SERVER, "--once"], { env: keyless });
  assert.equal((await missing.status).code, EXIT_CODES.usage.code, missing.output);
  assert.match(missing.stderr, /There is no key/);
  for (const { output } of [wrong, missing]) assert.doesNotMatch(output, OF_DENO);
});

test("one file: asks no question, neither on a terminal nor with closed input", async () => {
  await using hosts = await twoHosts();
  const { file } = await builtBinary();
  await using server = await startBy(hosts.server, 'exec "$@" <&-', ["server"]);
  await server.waitFor(/listening/);
  const line = `exec ${file} client -s ${SERVER} --up 'echo up is run' --down 'echo down is run'`;
  await using client = hosts.client.spawn("script", ["-qec", line, "/dev/null"], {
    env: ENV,
    stdin: "piped",
  });
  await client.waitFor(/authenticated/);
  await expectPings(hosts);
  const began = performance.now();
  await client.write(new Uint8Array([3])); // Ctrl-C
  assert.equal((await client.status).code, 0, client.output);
  assert(performance.now() - began < 1000);
  assert.match(client.output, /up is run[^]*down is run/);
  for (const { output } of [server, client]) assert.doesNotMatch(output, OF_DENO);
});

test("one file: from another folder, and where nothing can be written, not even a memory", async () => {
  await using hosts = await twoHosts();
  const { file, folder, name } = await builtBinary();
  await using server = await startBy(hosts.server, 'cd /proc/self/task; exec "$@"', ["server"]);
  await server.waitFor(/listening/);
  const script = `
    mount --bind ${folder} /mnt
    mount -o remount,bind,ro /mnt
    for folder in /tmp /var; do mount -t tmpfs -o ro none $folder; done
    cd /mnt
    unset HOME STATE_DIRECTORY
    exec ./${name} client -s ${SERVER}`;
  await using client = hosts.client.spawn("unshare", ["-m", "--", "sh", "-euc", script], {
    env: ENV,
  });
  await client.waitFor(/authenticated/);
  assert.throws(() => Deno.statSync("/mnt/" + name), Deno.errors.NotFound, `${file} is there`);
  await expectPings(hosts);
  await expectEnd(hosts.client, client);
  assert.doesNotMatch(client.output, OF_DENO);
});

test("one file: a tunnel over QUIC, which Deno has with a flag alone", async () => {
  await using hosts = await twoHosts();
  await using server = await start(hosts.server, ["server", "-l", "quic://"]);
  await server.waitFor(/listening/);
  const [, rest] = /url="?quic:\/\/HOST:20203(\?cert=[\w-]+)/.exec(server.output)!;
  await using client = await start(hosts.client, ["client", "-v", "-s", `quic://${SERVER}${rest}`]);
  await client.waitFor(/authenticated.*protocol=quic/);
  await expectPings(hosts);
  for (const [host, end] of [[hosts.client, client], [hosts.server, server]] as const) {
    end.signal("SIGINT");
    assert.equal((await end.status).code, 0, end.output);
    assert.deepEqual(await devices(host), ["lo", "veth0"]);
    assert.doesNotMatch(end.output, OF_DENO);
  }
});

test("one file: as the systemd units run it, a user with no right but that to make devices", async () => {
  await using hosts = await twoHosts();
  const folder = await Deno.makeTempDir();
  try {
    await hosts.client.sh(`
      cp ${(await builtBinary()).file} ${folder}/ttun
      mkdir ${folder}/credentials ${folder}/state
      printf '%s\n' '${ENV.TTUN_KEY}' >${folder}/credentials/ttun-key
      chmod 400 ${folder}/credentials/ttun-key
      chmod 755 ${folder}
      chown -R 65534:65534 ${folder}/credentials ${folder}/state`);
    await using server = await start(hosts.server, ["server"]);
    await server.waitFor(/listening/);
    const limits = ["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"];
    const rights = ["--inh-caps=-all,+net_admin", "--ambient-caps=-all,+net_admin"];
    const sets = [...rights, "--bounding-set=-all,+net_admin"];
    const command = ["setpriv", ...limits, ...sets, "--", `${folder}/ttun`, "client", "-s", SERVER];
    // The units' node is anybody's, as udev makes it; the machine's own may be root's.
    const node = `mount -t tmpfs none /dev/net
      mknod -m 666 /dev/net/tun c 10 200
      exec "$@"`;
    await using client = hosts.client.spawn(
      "unshare",
      ["-m", "--", "sh", "-euc", node, "sh", ...command],
      {
        clearEnv: true,
        env: {
          PATH: "/usr/bin:/bin",
          CREDENTIALS_DIRECTORY: `${folder}/credentials`,
          STATE_DIRECTORY: `${folder}/state`,
        },
      },
    );
    await client.waitFor(/authenticated/);
    await expectPings(hosts);
    await expectEnd(hosts.client, client);
    assert.deepEqual([...Deno.readDirSync(`${folder}/state`)].map(({ name }) => name).toSorted(), [
      "cipher-speeds",
      "identity",
      "version2-servers",
    ]);
    assert.doesNotMatch(client.output, OF_DENO);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("one file: by a symbolic link of another name it is ttun as well", async () => {
  await using hosts = await twoHosts();
  const { file } = await builtBinary();
  const folder = await Deno.makeTempDir();
  try {
    const pages = {
      tt: /Commands:/,
      tete: /^ttun peer /,
      tuntox: /^ttun tox /,
      other: /Commands:/,
    };
    for (const [name, page] of Object.entries(pages)) {
      await Deno.symlink(file, `${folder}/${name}`);
      const version = await hosts.client.run(`${folder}/${name}`, ["--version"]);
      assert.deepEqual([version.code, version.stdout], [0, `ttun ${manifest.version}\n`]);
      const help = await hosts.client.run(`${folder}/${name}`, ["--help"]);
      assert.equal(help.code, 0);
      assert.match(help.stdout, page);
      assert.equal(version.stderr + help.stderr, "");
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("one file: a key given by -k is not in the list of processes", async () => {
  await using hosts = await twoHosts();
  const secret = "a-secret-that-ps-must-not-show";
  const { TTUN_KEY: _, ...keyless } = ENV;
  for (const args of [["server"], ["proxy", "server", "-l", "192.0.2.1"]]) {
    await using process = await start(hosts.server, [...args, "-v", "-k", secret], {
      env: keyless,
    });
    await process.waitFor(/listening|ports/);
    const { stdout } = await hosts.server.run("ps", ["-ww", "-o", "args=", "-p", `${process.pid}`]);
    assert.match(stdout, /ttun/);
    assert.doesNotMatch(stdout, new RegExp(secret));
    assert.doesNotMatch(process.output, new RegExp(secret));
  }
});

test("one file: called tt it is ttun proxy, from end to end", async () => {
  await using hosts = await twoHosts();
  const asTt = (host: Host, args: string[]) =>
    startBy(host, 'd=$(mktemp -d); ln -s "$1" "$d/tt"; shift; exec "$d/tt" "$@"', args);
  await using server = await asTt(hosts.server, ["server", "-v", "-l", "192.0.2.1"]);
  await server.waitFor(/ports/);
  await using client = await asTt(hosts.client, ["client", "-v", "-s", "192.0.2.1"]);
  await client.waitFor(/listening/);
  // The server's own address is denied unless it is allowed: the refusal has come all the way.
  const { stdout } = await hosts.client.run("curl", [
    ...["-sS", "-m", "10", "-x", "http://127.0.0.1:1080", "http://192.0.2.1:9/"],
  ]);
  assert.match(stdout, /--allow/);
  for (const process of [client, server]) {
    process.signal("SIGINT");
    assert.equal((await process.status).code, 0, process.output);
    assert.doesNotMatch(process.output, OF_DENO);
  }
});

/** The system's own `gsettings`, and another one in front of it in PATH. */
const DESKTOP = `
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/system /run/other
install -d -o 65534 -g 65534 /run/home
install -m 755 "$1" /run/ttun
printf '%s\\n' '#!/bin/sh' 'f=$HOME/$3; case $1 in writable) echo true;; get) cat "$f";; set) echo "$4" >"$f";; esac' >/run/system/gsettings
printf '%s\\n' '#!/bin/sh' 'exit 1' >/run/other/gsettings
chmod 755 /run/system/gsettings /run/other/gsettings
for key in mode autoconfig-url; do echo "'none'" >/run/home/$key; chown 65534 /run/home/$key; done
mount -t overlay overlay -o lowerdir=/run/system:/usr/sbin /usr/sbin
shift
exec setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/run/home PATH=/run/other:$PATH \\
  XDG_CURRENT_DESKTOP=GNOME /run/ttun "$@"`;

test("one file: --system-proxy runs the system's own program, though PATH has another before it", async () => {
  await using hosts = await twoHosts();
  const { file } = await builtBinary();
  const args = ["proxy", "client", "-s", "127.0.0.1", "--no-warm-up", "--system-proxy"];
  await using proxy = hosts.client.spawn(
    "unshare",
    ["-m", "sh", "-euc", DESKTOP, "sh", file, ...args],
    { env: { TTUN_KEY: ENV.TTUN_KEY } },
  );
  await proxy.waitFor(/the desktop's proxy setting .*by=gsettings/, 30_000);
  proxy.signal("SIGINT");
  assert.equal((await proxy.status).code, 0, proxy.output);
  assert.match(proxy.output, /former proxy setting is back/);
});
