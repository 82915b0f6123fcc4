import assert from "node:assert/strict";
import { type Manager, MANAGERS } from "./managers.ts";

const IDS = ["ttun-a", "ttun-b.c"];

/** Command lines as a person types them. */
function typed(lines: readonly (readonly string[])[]): string[] {
  return lines.map((line) => line.join(" "));
}

Deno.test("a service's file is found again by its name, and others are no service's", () => {
  for (const manager of Object.values(MANAGERS) as Manager[]) {
    for (const id of IDS) {
      const path = manager.pathOf(id);
      assert(path.startsWith(manager.folder), path);
      assert.equal(manager.idOf(path.slice(manager.folder.length)), id);
    }
    assert.equal(manager.idOf("sshd.service"), null);
  }
  assert.equal(MANAGERS.SYSTEMD.idOf("ttun-a.service.d"), null);
});

Deno.test("OpenRC is told of each service by itself", () => {
  const { OPENRC } = MANAGERS;
  assert.deepEqual(typed(OPENRC.afterInstall(IDS)), [
    "rc-update add ttun-a default",
    "rc-update add ttun-b.c default",
  ]);
  assert.deepEqual(typed(OPENRC.beforeRemoval(["ttun-a"])), [
    "rc-service --ifstarted ttun-a stop",
    "rc-update delete ttun-a default",
  ]);
  assert.deepEqual(typed(OPENRC.logs(IDS, { lines: 5, follow: true })), [
    "tail -n 5 -F /var/log/ttun/ttun-a.log /var/log/ttun/ttun-b.c.log",
  ]);
});

Deno.test("managers that have not been tried are told by a person", () => {
  for (const manager of [MANAGERS.LAUNCHD, MANAGERS.WINDOWS]) {
    assert.equal(manager.isTried, false);
    for (
      const lines of [
        manager.start(IDS),
        manager.stop(IDS),
        manager.status(IDS),
        manager.beforeRemoval(IDS),
        manager.logs(IDS, { lines: 5, follow: false }),
      ]
    ) assert.match(typed(lines).join("\n"), /ttun-a[^]*ttun-b\.c/);
  }
});
