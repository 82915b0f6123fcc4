/** Name servers by the programs that keep them: Debian's packages, unpacked and not installed. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { builtBinary, outside } from "../e2e/binary.ts";
import { SystemdMachine } from "../systemd_machine.ts";

/** $1: a folder, $2: the package. */
const UNPACK = `
cd "$1"
apt-get -o APT::Sandbox::User=root download "$2" >/dev/null
dpkg -x "$2"_*.deb root
for folder in bin lib sbin; do
  test -d root/$folder || continue
  mkdir -p root/usr/$folder
  cp -a root/$folder/. root/usr/$folder
  rm -r root/$folder
done`;

/** A client of a server on the same machine; it is a service that sets name servers. */
const CLIENT = `[[client]]
server = "127.0.0.1"
key-file = "/etc/ttun/key"
dns = ["10.9.0.1", "fd09::1"]
dns-search = "inside.example"
no-warm-up = true
`;

/** Milliseconds for what systemd does by itself, on a machine that is busy. */
const LATE_MS = 30_000;

async function until(machine: SystemdMachine, script: string, wanted: RegExp): Promise<string> {
  let got = "";
  for (const end = Date.now() + LATE_MS; Date.now() < end;) {
    const { stdout, stderr } = await machine.run(script);
    got = stdout + stderr;
    if (wanted.test(got)) return got;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${script} does not print ${wanted}:\n${got}`);
}

/** Runs a test on a machine that has the package's files. */
async function withPackage(
  name: string,
  run: (machine: SystemdMachine) => Promise<void>,
): Promise<void> {
  // The machine has a /tmp of its own.
  const folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "ttun-test-" });
  try {
    try {
      await outside(UNPACK, [folder, name]);
    } catch (error) {
      return console.log(`${name} is not tested: ${error}`);
    }
    const { file } = await builtBinary();
    const machine = await SystemdMachine.boot(file);
    if (typeof machine === "string") return console.log(`${name} is not tested: ${machine}`);
    await using _machine = machine;
    await machine.sh(`cp -a ${folder}/root/. /`);
    await run(machine);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const START = `
umask 077
ttun genkey >/etc/ttun/key
chmod 700 /etc/ttun
printf '%s' '${CLIENT}' >/etc/ttun/office.toml
ttun server -d --pool 10.9.0.0/24 --pool fd09::/64 --key-file /etc/ttun/key --no-warm-up
ttun service install office
ttun service start office`;

test("systemd-resolved: a service sets name servers as root without root's rights, and no other user may", () =>
  withPackage("systemd-resolved", async (machine) => {
    await machine.sh(`
      rm -f /etc/systemd/system/systemd-resolved.service
      systemd-sysusers systemd-resolve.conf
      systemctl daemon-reload
      systemctl start dbus
      systemctl reload dbus
      systemctl start systemd-resolved
      ln -sfn /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
      ${START}`);
    const shown = await until(machine, "resolvectl status ttun1", /DNS Servers: 10\.9\.0\.1/);
    assert.match(shown, /fd09::1/);
    assert.match(shown, /DNS Domain: ~\. inside\.example|DNS Domain: inside\.example ~\./);
    assert.match(await machine.sh("ttun status office"), /systemd-resolved/);
    const pid = (await machine.sh("systemctl show -p MainPID --value ttun-office")).trim();
    const status = await machine.sh(`cat /proc/${pid}/status`);
    assert.match(status, /^Uid:\s+0\b/m);
    assert.match(status, /^CapEff:\s+0000000000001000$/m); // CAP_NET_ADMIN alone
    assert.match(await machine.sh(`cat /proc/${pid}/mountinfo`), / \/run ro,/);
    // Another user with the same right is refused.
    const other = "setpriv --reuid=64124 --regid=64124 --clear-groups --inh-caps=+net_admin " +
      "--ambient-caps=+net_admin resolvectl dns ttun1 192.0.2.53";
    const refused = await machine.run(other);
    assert.notEqual(refused.code, 0, refused.stdout + refused.stderr);
    await machine.sh("ttun service stop office");
    assert.doesNotMatch(await machine.sh("resolvectl status"), /10\.9\.0\.1|inside\.example/);
  }));

for (const name of ["openresolv", "resolvconf"]) {
  test(`${name}: a service sets name servers by it, and takes them back`, () =>
    withPackage(name, async (machine) => {
      const before = await machine.sh(`
        mkdir -p /run/resolvconf/interface /etc/resolvconf/resolv.conf.d
        rm -f /etc/resolv.conf
        test ${name} = openresolv || ln -s /run/resolvconf/resolv.conf /etc/resolv.conf
        resolvconf --enable-updates 2>/dev/null || true
        printf 'nameserver 192.0.2.53\\n' | resolvconf -a eth0
        cat /etc/resolv.conf`);
      assert.match(before, /^nameserver 192\.0\.2\.53$/m);
      await machine.sh(START);
      const shown = await until(machine, "cat /etc/resolv.conf", /nameserver 10\.9\.0\.1/);
      assert.match(shown, /^nameserver fd09::1$/m);
      assert.match(shown, /^search .*inside\.example/m);
      assert.match(await machine.sh("ttun status office"), /resolvconf/);
      await machine.sh("ttun service stop office");
      assert.equal(await machine.sh("cat /etc/resolv.conf"), before);
    }));
}

test("a service with a kill switch and name servers has what both take, and puts all back", async () => {
  const { file } = await builtBinary();
  const machine = await SystemdMachine.boot(file);
  if (typeof machine === "string") return console.log(`This service is not tested: ${machine}`);
  await using _machine = machine;
  const state = "nft list ruleset; ip rule; cat /etc/resolv.conf; ls /run/ttun";
  await machine.sh(`
    rm -f /etc/resolv.conf
    echo 'nameserver 192.0.2.53' >/etc/resolv.conf
    mkdir -p /run/ttun`);
  const before = await machine.sh(state);
  await machine.sh(`
    umask 077
    ttun genkey >/etc/ttun/key
    chmod 700 /etc/ttun
    printf '%s' '${CLIENT}' >/etc/ttun/office.toml
    printf '%s\\n' 'default-route = true' 'kill-switch = true' >>/etc/ttun/office.toml
    ttun server -d --pool 10.9.0.0/24 --pool fd09::/64 --key-file /etc/ttun/key --no-warm-up \
      --status-name far
    ttun service install office
    ttun service start office`);
  await until(machine, "cat /etc/resolv.conf", /^nameserver 10\.9\.0\.1$/m);
  assert.match(await machine.sh("nft list tables"), /inet ttun_/);
  const pid = (await machine.sh("systemctl show -p MainPID --value ttun-office")).trim();
  await machine.sh(`kill -KILL ${pid}`);
  await until(machine, "ttun service logs office", /took away what a killed ttun had left/);
  await until(machine, "ttun status office", /killed|kill switch/);
  const far = /process (\d+)/.exec(await machine.sh("ttun status far"))![1];
  await machine.sh(`ttun service stop office; ttun service uninstall office; kill ${far}`);
  await until(machine, "pgrep -x ttun | wc -l", /^0$/m);
  assert.equal(await machine.sh(state), before);
});
