/** `ttun service` and its units under systemd itself. */
import assert from "node:assert/strict";
import { missing } from "../../release/here.ts";
import { test } from "../check.ts";
import type { SystemdMachine } from "../systemd_machine.ts";
import { bootSystemd } from "./boot_systemd.ts";

const ignore = missing("nft", "services under systemd") !== null;

/** Milliseconds for what systemd does by itself, on a machine that is busy. */
const LATE_MS = 30_000;

const SERVER = `[[server]]
listen = "127.0.0.1:443"
key-file = "/etc/ttun/keys"
permit-open = "127.0.0.0/8"
no-warm-up = true
`;

const CLIENT = `[[client]]
server = "192.0.2.1"
default-route = true
kill-switch = true
no-warm-up = true
`;

/** Waits until a script prints what is wanted. @throws with what it printed at last */
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

function mainPid(machine: SystemdMachine): Promise<string> {
  return machine.sh("systemctl show -p MainPID --value ttun-office");
}

test({
  name: "systemd: a service starts, is found, takes changes, and is started again when it hangs",
  ignore,
  fn: async () => {
    await using machine = await bootSystemd();
    if (machine === null) return;
    await machine.sh(`
      umask 077
      printf '# two\\nnorth:%s\\nsouth:%s\\n' "$(ttun genkey)" "$(ttun genkey)" >/etc/ttun/keys
      chmod 700 /etc/ttun
      cat >/etc/ttun/office.toml <<'END'\n${SERVER}END
      ttun service install office
      ttun service start office`);
    assert.match(await machine.sh("ttun service status office"), /Active: active \(running\)/);
    const status = await machine.sh(
      'cat "/proc/$(systemctl show -p MainPID --value ttun-office)/status"',
    );
    assert.doesNotMatch(status, /^Uid:\s+0\b/m);
    assert.match(status, /^NoNewPrivs:\s+1$/m);
    // CAP_NET_ADMIN for the device, CAP_NET_BIND_SERVICE for the port.
    assert.match(status, /^CapBnd:\s+0000000000001400$/m);
    assert.match(await machine.sh("ttun status office"), /listens on +127\.0\.0\.1:443/);

    await machine.sh(`
      sed -i /south/d /etc/ttun/keys
      sed -i 's|"127.0.0.0/8"|["127.0.0.0/8", "192.0.2.0/24"]|' /etc/ttun/office.toml
      systemctl reload ttun-office`);
    const log = await until(machine, "ttun service logs office", / reloaded /);
    assert.match(log, / rules +permit_open=2/);
    assert.match(log, / keys +names=north$/m);

    await machine.sh(`
      mkdir /etc/systemd/system/ttun-office.service.d
      printf '[Service]\\nWatchdogSec=3\\n' >/etc/systemd/system/ttun-office.service.d/soon.conf
      systemctl daemon-reload
      systemctl restart ttun-office`);
    const before = await mainPid(machine);
    await machine.sh(`kill -STOP ${before}`);
    await until(
      machine,
      "journalctl -u ttun-office",
      /Watchdog timeout|listening[^]*listening[^]*listening/,
    );
    await until(machine, "systemctl is-active ttun-office", /^active$/m);
    assert.notEqual(await mainPid(machine), before);

    await machine.sh("ttun service uninstall office");
    assert.equal((await machine.run("systemctl is-active ttun-office")).stdout.trim(), "inactive");
    assert.notEqual((await machine.run("test -e /etc/systemd/system/ttun-office.service")).code, 0);
  },
});

test({
  name: "systemd: a kill switch makes a service ready, and goes with its end, after a kill too",
  ignore,
  fn: async () => {
    await using machine = await bootSystemd();
    if (machine === null) return;
    await machine.sh(`
      umask 077
      ttun genkey >/etc/ttun/key
      chmod 700 /etc/ttun
      cat >/etc/ttun/office.toml <<'END'\n${CLIENT}END
      ttun service install office
      ttun service start office`);
    const tables = () => machine.sh("nft list tables");
    assert.match(await tables(), /inet ttun_/);
    const before = await mainPid(machine);
    await machine.sh(`kill -KILL ${before}`);
    assert.match(await tables(), /inet ttun_/);
    await until(machine, "ttun service logs office", /took away what a killed ttun had left/);
    await until(machine, "systemctl is-active ttun-office", /^active$/m);
    assert.match(await tables(), /inet ttun_/);
    await machine.sh("ttun service stop office");
    assert.equal(await tables(), "");
    assert.doesNotMatch(await machine.sh("ttun service logs office"), /EPERM|Cannot take/);
  },
});

test({
  name: "systemd: a node of a cluster keeps root's folder, without a right of root's",
  ignore,
  fn: async () => {
    await using machine = await bootSystemd();
    if (machine === null) return;
    await machine.sh(`
      umask 077
      chmod 700 /etc/ttun
      printf '[[mesh.node]]\\n' >/etc/ttun/office.toml
      ttun mesh init --host one --advertise 127.0.0.1
      ttun service install office
      ttun service start office`);
    const status = await machine.sh(
      'cat "/proc/$(systemctl show -p MainPID --value ttun-office)/status"',
    );
    assert.match(status, /^CapBnd:\s+0000000000000000$/m);
    assert.match(await machine.sh("ttun status office"), /^ {2}core +here$/m);
    await machine.sh("ttun mesh kv put name/a 1");
    const token = (await machine.sh("ttun mesh token add --verbs get --prefix name/")).trim();
    assert.match(token, /^\S+$/);
    await machine.sh("systemctl restart ttun-office");
    assert.equal(await machine.sh("ttun mesh kv get name/a"), "1");
    await machine.sh("ttun service uninstall office");
  },
});
