import assert from "node:assert/strict";
import { TtunError } from "../../base/errors.ts";
import { launchdPlist, openrcScript, windowsScript } from "./other_managers.ts";
import { markIn, serviceArgs, serviceMark } from "./service.ts";
import { SAMPLES, servicesIn } from "./service_fixture.ts";
import { systemdUnit } from "./systemd_unit.ts";

const PLACE = { program: "/usr/bin/ttun", replacesResolvConf: true };

function unitOf(text: string): string {
  return systemdUnit(servicesIn(text)[0]!, PLACE);
}

function lines(unit: string, key: string): string[] {
  return unit.split("\n").filter((line) => line.startsWith(`${key}=`))
    .map((line) => line.slice(key.length + 1));
}

function refuses(text: string, words: RegExp): void {
  assert.throws(
    () => servicesIn(text),
    (error) => error instanceof TtunError && error.kind === "usage" && words.test(error.message),
  );
}

Deno.test("a service has the right to what its options need, and to nothing else", () => {
  const needs = (text: string) => {
    const { hasDevice, hasLowPorts, writesSettings, setsNameServers } = servicesIn(text)[0]!;
    return [hasDevice, hasLowPorts, writesSettings, setsNameServers];
  };
  assert.deepEqual(needs(SAMPLES.server), [true, false, false, false]);
  assert.deepEqual(needs(SAMPLES.gateway), [true, true, true, false]);
  assert.deepEqual(needs(SAMPLES.client), [true, false, false, false]);
  assert.deepEqual(needs(SAMPLES.fullTunnel), [true, false, true, true]);
  assert.deepEqual(needs(SAMPLES.forwards), [false, false, false, false]);
  assert.deepEqual(needs(SAMPLES.proxy), [false, false, false, false]);
  assert.deepEqual(needs(SAMPLES.forwards.replace("8080:db", "80:db")), [
    false,
    true,
    false,
    false,
  ]);
  assert.deepEqual(needs('[[server]]\nmetrics = "900"\n'), [true, true, false, false]);

  const capabilities = (text: string) => lines(unitOf(text), "CapabilityBoundingSet");
  assert.deepEqual(capabilities(SAMPLES.gateway), ["CAP_NET_ADMIN CAP_NET_BIND_SERVICE"]);
  assert.deepEqual(capabilities(SAMPLES.client), ["CAP_NET_ADMIN"]);
  assert.deepEqual(capabilities(SAMPLES.proxy), [""]);
  assert.match(unitOf(SAMPLES.proxy), /^PrivateDevices=yes$/m);
  assert.match(unitOf(SAMPLES.server), /^DeviceAllow=\/dev\/net\/tun rw$/m);
  assert.match(unitOf(SAMPLES.server), /^ProtectKernelTunables=yes$/m);
  assert.match(unitOf(SAMPLES.gateway), /^ProtectKernelTunables=no$/m);
});

Deno.test("a service of systemd has a user of its own, but for one that sets name servers", () => {
  assert.match(unitOf(SAMPLES.client), /^DynamicUser=yes$/m);
  assert.doesNotMatch(unitOf(SAMPLES.client), /^(User|ReadWritePaths)=/m);
  const full = unitOf(SAMPLES.fullTunnel);
  assert.match(full, /^User=root$/m);
  assert.doesNotMatch(full, /^DynamicUser/m);
  assert.match(full, /^ReadOnlyPaths=\/run\nReadWritePaths=\/etc -\/run\/resolvconf$/m);
  assert.match(full, /^ExecStart=.* --status-name office$/m);
  const resolved = { ...PLACE, replacesResolvConf: false };
  assert.doesNotMatch(
    systemdUnit(servicesIn(SAMPLES.fullTunnel)[0]!, resolved),
    /^ReadWritePaths=/m,
  );
});

Deno.test("a node of a cluster is root without any of root's rights, as its folder is root's", () => {
  const unit = unitOf(SAMPLES.node);
  assert.match(unit, /^User=root\nCapabilityBoundingSet=$/m);
  assert.match(unit, /^ReadOnlyPaths=\/run\n#.*\nReadWritePaths=-\/var\/lib\/ttun\/mesh$/m);
  assert.match(
    unit,
    /^ExecStart=.* mesh node .*--store-ca \$\S+ .*--data \/var\/lib\/ttun\/mesh$/m,
  );
  assert.deepEqual(lines(unit, "LoadCredential").slice(1), ["store-ca:/etc/ttun/etcd.pem"]);
  const elsewhere = unitOf('[[mesh.node]]\ndata = "/srv/mesh"\nlisten = ":204"\n');
  assert.match(elsewhere, /^ReadWritePaths=-\/srv\/mesh$/m);
  assert.deepEqual(lines(elsewhere, "CapabilityBoundingSet"), ["CAP_NET_BIND_SERVICE"]);
  const gateway = '[[mesh.node]]\napex = "example.net"\ngateway = ":443"\n';
  assert.deepEqual(lines(unitOf(gateway), "AmbientCapabilities"), ["CAP_NET_BIND_SERVICE"]);
  refuses('[[mesh.node]]\ndata = "mesh"\n', /data "mesh": give the path from \//);
});

Deno.test("a kill switch is there before the network, all else comes after it", () => {
  assert.match(unitOf(SAMPLES.fullTunnel), /^Before=network-pre\.target$/m);
  assert.match(unitOf(SAMPLES.client), /^After=network-online\.target$/m);
});

Deno.test("root hands a service all files that its configuration names, at the start and at a reload", () => {
  const unit = unitOf(SAMPLES.proxy);
  assert.deepEqual(lines(unit, "LoadCredential"), [
    "config:/etc/ttun/office.toml",
    "key-file:/etc/ttun/proxy.key",
    "auth-file:/etc/ttun/auth",
    "direct-file:/etc/ttun/direct",
  ]);
  const folder = "${CREDENTIALS_DIRECTORY}";
  assert.deepEqual(lines(unit, "ExecStart"), [
    `/usr/bin/ttun proxy client --config ${folder}/config --config-entry 1 --key-file ` +
    `${folder}/key-file --auth-file ${folder}/auth-file --direct-file ${folder}/direct-file`,
  ]);
  const [refresh, hangUp] = lines(unit, "ExecReload");
  for (const name of ["office.toml", "proxy.key", "auth", "direct"]) {
    assert.match(refresh!, new RegExp(`-T /etc/ttun/${name} /run/ttun-fresh/ttun-office/`));
  }
  assert.match(refresh!, /^\+\/bin\/sh -c '.*g=\$\$\(stat -Lc %%g \/run\/ttun-office\)/);
  assert.equal(hangUp, "/bin/sh -c 'kill -HUP $MAINPID'");
  // A key that no option names is the common one.
  assert.deepEqual(lines(unitOf(SAMPLES.gateway), "LoadCredential").slice(1), [
    "ttun-key:/etc/ttun/key",
  ]);
  assert.match(unitOf(SAMPLES.gateway), /^ExecStart=.* --config-entry 1$/m);
  assert.match(unitOf(SAMPLES.fullTunnel), /--server link:\$\{CREDENTIALS_DIRECTORY\}\/link/);
});

Deno.test("each table is a service; a file's only one has the configuration's name", () => {
  const ids = (text: string) => servicesIn(text).map(({ id }) => id);
  assert.deepEqual(ids(SAMPLES.client), ["ttun-office"]);
  assert.deepEqual(ids(SAMPLES.client + SAMPLES.client + SAMPLES.proxy), [
    "ttun-office-client-1",
    "ttun-office-client-2",
    "ttun-office-proxy-client",
  ]);
  const second = servicesIn(SAMPLES.client + SAMPLES.forwards)[1]!;
  assert.deepEqual(serviceArgs(second, (file) => file.path).slice(-2), ["--config-entry", "2"]);
});

Deno.test("options that a service manager makes wrong are refused", () => {
  refuses(`${SAMPLES.client}daemon = true\n`, /\[\[client\]\] in line 1 .* with daemon: /);
  refuses(`${SAMPLES.client}stdio-forward = "a:1"\n`, /no standard input/);
  refuses('[[ping]]\nserver = "a"\n', /ends by itself/);
  refuses('[[server]]\nkey-file = "office.key"\n', /key-file "office.key": give the path from \//);
  refuses('[[server]]\nkey-file = "-"\n', /key-file "-"/);
  const { refused } = servicesIn(`${SAMPLES.client}user = "nobody"\npid = "/run/a"\n`)[0]!;
  assert.deepEqual(refused.map((why) => /with (\w+): /.exec(why)?.[1]), ["user", "pid"]);
});

Deno.test("whatever is written has the mark by which it is known again, and nothing else has", () => {
  for (const name of ["office", "a--b", "x.y_z"]) {
    const [service] = servicesIn(SAMPLES.client, name);
    const texts = [
      systemdUnit(service!, PLACE),
      openrcScript(service!, "/usr/bin/ttun"),
      launchdPlist(service!, "/usr/local/bin/ttun"),
      windowsScript(service!, "C:\\Program Files\\ttun\\ttun.exe"),
    ];
    for (const text of texts) {
      assert.deepEqual(markIn(text), { name, config: `/etc/ttun/${name}.toml` });
    }
  }
  const { name, config } = servicesIn(SAMPLES.client)[0]!;
  assert.equal(markIn(`${"\n".repeat(20)}# ${serviceMark({ name, config })}`), null);
  assert.equal(markIn("[Unit]\nDescription=office\n"), null);
});

Deno.test("other managers' services read their files where they are", () => {
  const [service] = servicesIn(SAMPLES.proxy);
  const args = "proxy client --config /etc/ttun/office.toml --config-entry 1 " +
    "--status-name office";
  assert.match(
    openrcScript(service!, "/usr/bin/ttun"),
    new RegExp(`^command_args="${args}"$`, "m"),
  );
  const words = [...launchdPlist(service!, "/usr/local/bin/ttun").matchAll(/^ {4}<string>(.*)</gm)];
  assert.equal(words.map(([, word]) => word).join(" "), `/usr/local/bin/ttun ${args}`);
  assert.match(
    windowsScript(service!, "C:\\Program Files\\ttun\\ttun.exe"),
    /^schtasks \/Create \/F \/TN "ttun-office" \/SC ONSTART \/RU SYSTEM .* \/TR "\\"C:\\Program Files\\ttun\\ttun\.exe\\" proxy client /m,
  );
});

Deno.test("an end of Tox has no key, gets its files, and keeps its identity in its own folder", () => {
  const [service] = servicesIn(SAMPLES.tox);
  const unit = systemdUnit(service!, PLACE);
  assert.deepEqual(lines(unit, "LoadCredential"), [
    "config:/etc/ttun/office.toml",
    "secret-file:/etc/ttun/secret",
    "rules:/etc/ttun/rules",
    "nodes:/etc/ttun/nodes.json",
  ]);
  assert.match(unit, /^ExecStart=\/usr\/bin\/ttun tox --config .* --secret-file \$\{CREDENTIALS/m);
  assert.deepEqual(lines(unit, "StateDirectory"), ["ttun-office"]);
  assert.deepEqual(lines(unit, "CapabilityBoundingSet"), [""]);
  assert.match(openrcScript(service!, "/usr/bin/ttun"), /^command_args="tox --config /m);
  for (const ports of ["relay-port = 443", 'udp-ports = "500:600"', 'dynamic-forward = "80"']) {
    assert.ok(servicesIn(`[[tox]]\n${ports}\n`)[0]!.hasLowPorts, ports);
  }
  assert.ok(!servicesIn('[[tox]]\nrelay-port = 0\nudp-ports = "33445"\n')[0]!.hasLowPorts);
  for (const ports of ['gateway = "443"', 'redirect = "80"', 'dns = ["192.0.2.1:53"]']) {
    const [node] = servicesIn(`[[mesh.node]]\n${ports}\napex = "example.net"\n`);
    assert.deepEqual([node!.hasLowPorts, node!.setsNameServers], [true, false], ports);
  }
  refuses(`${SAMPLES.tox}daemonize = true\n`, /has it in the background/);
  const { refused } = servicesIn(
    `${SAMPLES.tox}id = ["home"]\nconfig-dir = "/a"\nid-file = "/b"\nsyslog = true\n`,
  )[0]!;
  assert.deepEqual(refused.map((why) => /with ([\w-]+)/.exec(why)?.[1]), [
    ...["syslog", "config-dir", "id-file", "id"],
  ]);
});
