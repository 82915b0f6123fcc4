/** `ttun service` of an end of Tox under systemd itself. */
import assert from "node:assert/strict";
import { missing } from "../../release/here.ts";
import { test } from "../check.ts";
import { bootSystemd } from "./boot_systemd.ts";
import { lacksToxcore } from "./tox_lab.ts";

const ignore = missing("nft", "services under systemd") !== null;

test({
  name:
    "systemd: an end of Tox keeps its identity in its own state, and reads its secret from root",
  ignore: ignore || lacksToxcore(),
  fn: async () => {
    await using machine = await bootSystemd();
    if (machine === null) return;
    await machine.sh(`
      umask 077
      ttun genkey >/etc/ttun/tox-secret
      chmod 700 /etc/ttun
      printf '[[tox]]\\nsecret-file = "/etc/ttun/tox-secret"\\n' >/etc/ttun/office.toml
      ttun service install office
      ttun service start office`);
    const id = async () => {
      const found = /^ {2}Tox ID +([0-9A-F]{76})$/m.exec(await machine.sh("ttun status office"));
      return found?.[1] ?? assert.fail("there is no Tox ID");
    };
    const before = await id();
    const status = await machine.sh(
      'cat "/proc/$(systemctl show -p MainPID --value ttun-office)/status"',
    );
    assert.doesNotMatch(status, /^Uid:\s+0\b/m);
    assert.match(status, /^CapBnd:\s+0000000000000000$/m);
    assert.match(await machine.sh("stat -L -c %a /var/lib/ttun-office/tox_save"), /^600$/m);
    await machine.sh("systemctl restart ttun-office");
    assert.equal(await id(), before);
    assert.doesNotMatch(await machine.sh("ttun service logs office"), /EPERM|Cannot /);
  },
});
