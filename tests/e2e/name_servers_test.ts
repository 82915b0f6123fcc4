import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "../check.ts";
import { type TwoHosts, twoHosts } from "../netns.ts";
import { BEFORE, end, OwnEtc } from "./own_etc.ts";
import { startServer } from "./tunnel.ts";

const OURS =
  /^# Written by ttun .*\nnameserver 10\.1\.1\.1\nsearch corp\.example\noptions edns0\n$/;
const DNS = ["--dns", "10.1.1.1", "--dns-search", "corp.example"];

async function withServer(run: (hosts: TwoHosts) => Promise<void>, ...args: string[]) {
  await using hosts = await twoHosts();
  await using _server = await startServer(hosts.server, ...args);
  await run(hosts);
}

test("--dns: /etc/resolv.conf is ttun's while it runs, and the same file as before at the end, a link too", () =>
  withServer(async ({ client }) => {
    await using own = await OwnEtc.make(client);
    const before = await own.state();
    const ttun = await own.client(...DNS);
    match(await Deno.readTextFile(own.conf), OURS);
    equal((await Deno.stat(own.conf)).mode! & 0o777, 0o644);
    await end(ttun);
    equal(await own.state(), before, ttun.output);

    await client.sh(`cd ${own.etc}; mv resolv.conf elsewhere; ln -s elsewhere resolv.conf`);
    const linked = await own.state();
    const again = await own.client(...DNS);
    equal((await Deno.lstat(own.conf)).isSymlink, false);
    equal(await Deno.readTextFile(`${own.etc}/elsewhere`), BEFORE);
    // Another program's file is newer than the one that was kept.
    await end(again);
    equal(await own.state(), linked, again.output);
    const third = await own.client(...DNS);
    await Deno.writeTextFile(own.conf, "nameserver 192.0.2.54\n");
    await end(third);
    match(third.output, /another program has changed the name servers/);
    match(third.output, /before ttun's is \/etc\/resolv\.conf\.before-ttun: copy it back/);
    equal(await Deno.readTextFile(own.conf), "nameserver 192.0.2.54\n");
    const kept = "resolv.conf.before-ttun";
    deepEqual((await own.state()).split("\n").slice(-3), ["resolv.conf", kept, ""]);
    equal(await Deno.readTextFile(`${own.etc}/${kept}`), BEFORE);

    // The next one makes room for the file that it keeps; one that was emptied gets it back.
    const fourth = await own.client(...DNS);
    await Deno.writeTextFile(own.conf, "");
    await end(fourth, "SIGKILL");
    match(await own.doctor("--repair"), /took away the name servers/);
    equal(await Deno.readTextFile(own.conf), "nameserver 192.0.2.54\n");
    equal(await Deno.readTextFile(`${own.etc}/${kept}-old`), BEFORE);
    const fifth = await own.client(...DNS);
    await Deno.writeTextFile(own.conf, "nameserver 192.0.2.55\n");
    await end(fifth, "SIGKILL");
    match(await own.doctor("--repair"), /left the name servers in .*: another program has changed/);
    equal(await Deno.readTextFile(`${own.etc}/${kept}`), "nameserver 192.0.2.54\n");
  }));

test("--dns: after kill -9 doctor --repair or the next tunnel puts the former file back, after a boot too", () =>
  withServer(async ({ client }) => {
    await using own = await OwnEtc.make(client);
    const before = await own.state();
    await end(await own.client(...DNS), "SIGKILL");
    const line = '{"number":9,"step":{"kind":"resolvConf","path":"/etc/passwd"}}';
    await client.sh(`for file in ${own.run}/*-dns-*.changes; do echo '\n${line}' >>$file; done`);
    const told = await own.doctor();
    match(told, /left the name servers in \/etc\/resolv\.conf; .* left a line that is not ttun's/);
    const repaired = await own.doctor("--repair");
    match(repaired, /took away the name servers in \/etc\/resolv\.conf/);
    match(repaired, /ignored a line that is not ttun's in \/run\/ttun\/.*\.changes/);
    match(await own.doctor(), /no killed ttun has left anything here/);
    equal(await own.state(), before);

    const killed = await own.client(...DNS);
    await end(killed, "SIGKILL");
    const next = await own.client(...DNS);
    match(next.output, /took away what a killed ttun had left/);
    match(await Deno.readTextFile(own.conf), OURS);
    // A boot empties /run, where the journal is.
    await client.sh(`rm ${own.run}/${next.pid}-dns-*.changes`);
    await end(next, "SIGKILL");
    match(await own.doctor("--repair"), /of a ttun of an earlier boot/);
    equal(await own.state(), before);
  }));

test("--dns in a container, whose file is a mount, and with --user, which says what it cannot put back", () =>
  withServer(async ({ client }) => {
    const file = await Deno.makeTempFile();
    await Deno.writeTextFile(file, BEFORE);
    await using own = await OwnEtc.make(client, `mount --bind ${file} /etc/resolv.conf`);
    const ttun = await own.client(...DNS);
    match(await Deno.readTextFile(file), OURS);
    await end(ttun);
    equal(await Deno.readTextFile(file), BEFORE, ttun.output);
    await Deno.remove(file);

    await using other = await OwnEtc.make(client);
    const before = await other.state();
    const user = await other.client(...DNS, "--user", "nobody");
    await user.waitFor(/--user gives up the privilege to put the former name servers back/);
    await end(user);
    match(await Deno.readTextFile(other.conf), OURS);
    match(await other.doctor("--repair"), /took away the name servers/);
    equal(await other.state(), before);
  }));

test("--accept-dns: the server's name servers for as long as the session, by systemd-resolved where it runs", async () => {
  await using hosts = await twoHosts();
  const { server, client } = hosts;
  const first = await startServer(server, "--push-dns", "10.1.1.1", "--push-dns", "127.0.0.53");
  await using own = await OwnEtc.make(client);
  const before = await own.state();
  const ttun = await own.client("--accept-dns", "--dns-search", "corp.example");
  match(await Deno.readTextFile(own.conf), OURS);
  match(ttun.output, /name server 127\.0\.0\.53 .* is not taken: it is of loopback/);
  await end(first);
  await ttun.waitFor(/the former name servers are back/);
  equal(await own.state(), before);
  await end(ttun);

  const bin = await Deno.makeTempDir();
  // It knows no interface that has gone, as the real one.
  const script = `#!/bin/sh\necho "$@" >>${bin}/said\ntest -z "$2" || ip link show "$2"\n`;
  await Deno.writeTextFile(`${bin}/resolvectl`, script, { mode: 0o755 });
  await using resolved = await OwnEtc.make(client, `PATH=${bin}:$PATH; export PATH`);
  await Deno.writeTextFile(resolved.conf, "nameserver 127.0.0.53\n");
  await using _second = await startServer(server);
  const byResolved = await resolved.client(...DNS);
  await end(byResolved);
  deepEqual((await Deno.readTextFile(`${bin}/said`)).trim().split("\n"), [
    "dns",
    "dns ttun0 10.1.1.1",
    "domain ttun0 ~. corp.example",
    "default-route ttun0 yes",
  ]);
  match(byResolved.output, /the former name servers are back/);
  equal(await Deno.readTextFile(resolved.conf), "nameserver 127.0.0.53\n");

  await client.sh(`
    printf '#!/bin/sh\\necho "$@" >>${bin}/heard; cat >>${bin}/heard\\n' >${bin}/resolvconf
    chmod +x ${bin}/resolvconf`);
  await Deno.writeTextFile(resolved.conf, "# Generated by resolvconf\nnameserver 192.0.2.53\n");
  await end(await resolved.client(...DNS));
  deepEqual((await Deno.readTextFile(`${bin}/heard`)).trim().split("\n"), [
    "-a ttun0.ttun -m 0 -x",
    "nameserver 10.1.1.1",
    "search corp.example",
    "-d ttun0.ttun",
  ]);
  await Deno.remove(bin, { recursive: true });
});
