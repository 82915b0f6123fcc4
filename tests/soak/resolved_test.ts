/** Name servers by systemd-resolved itself: Debian's package, unpacked and not installed. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { builtBinary, outside } from "../e2e/binary.ts";
import { SystemdMachine } from "../systemd_machine.ts";

const UNPACK = `
cd "$1"
apt-get -o APT::Sandbox::User=root download systemd-resolved >/dev/null
dpkg -x systemd-resolved_*.deb root
for folder in lib sbin; do
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

/** Returns why the machine is not to be had. */
async function boot(folder: string): Promise<SystemdMachine | string> {
  try {
    await outside(UNPACK, [folder]);
  } catch (error) {
    return String(error);
  }
  const { file } = await builtBinary();
  return await SystemdMachine.boot(file);
}

test("systemd-resolved: a service sets name servers as root without root's rights, and no other user may", async () => {
  // The machine has a /tmp of its own.
  const folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "ttun-test-" });
  try {
    const booted = await boot(folder);
    if (typeof booted === "string") {
      console.log(`systemd-resolved is not tested: ${booted}`);
      return;
    }
    await using machine = booted;
    await machine.sh(`
      cp -a ${folder}/root/. /
      rm -f /etc/systemd/system/systemd-resolved.service
      systemd-sysusers systemd-resolve.conf
      systemctl daemon-reload
      systemctl start dbus
      systemctl reload dbus
      systemctl start systemd-resolved
      ln -sfn /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
      umask 077
      ttun genkey >/etc/ttun/key
      chmod 700 /etc/ttun
      printf '%s' '${CLIENT}' >/etc/ttun/office.toml
      ttun server -d --pool 10.9.0.0/24 --pool fd09::/64 --key-file /etc/ttun/key --no-warm-up
      ttun service install office
      ttun service start office`);
    const shown = await until(machine, "resolvectl status ttun1", /DNS Servers: 10\.9\.0\.1/);
    assert.match(shown, /fd09::1/);
    assert.match(shown, /DNS Domain: ~\. inside\.example|DNS Domain: inside\.example ~\./);
    assert.match(await machine.sh("ttun status office"), /systemd-resolved/);
    const pid = (await machine.sh("systemctl show -p MainPID --value ttun-office")).trim();
    const status = await machine.sh(`cat /proc/${pid}/status`);
    assert.match(status, /^Uid:\s+0\b/m);
    assert.match(status, /^CapEff:\s+0000000000001000$/m); // CAP_NET_ADMIN alone
    // Another user with the same right is refused.
    const other = "setpriv --reuid=64124 --regid=64124 --clear-groups --inh-caps=+net_admin " +
      "--ambient-caps=+net_admin resolvectl dns ttun1 192.0.2.53";
    const refused = await machine.run(other);
    assert.notEqual(refused.code, 0, refused.stdout + refused.stderr);
    await machine.sh("ttun service stop office");
    assert.doesNotMatch(await machine.sh("resolvectl status"), /10\.9\.0\.1|inside\.example/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
