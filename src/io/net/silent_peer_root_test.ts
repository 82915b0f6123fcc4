import { equal, ok, rejects } from "node:assert/strict";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { requireOwnNamespace } from "../../../tests/own_namespace.ts";
import { denoNet, posixNet } from "../../../tests/suite/real_nets.ts";
import { later } from "../../../tests/suite/stream_net.ts";
import { openTunWorld } from "../../../tests/tun_world.ts";
import { accept, read, write } from "../../app/loop/stream_io.ts";
import { dial } from "../../app/net/dial_events.ts";

/** Behind the device nobody answers, so what is sent there is under way for ever. */
const SILENT = { host: "10.1.1.2", port: 4711 };

const reason = new Error("asked to stop");
const isReason = (error: unknown) => error === reason;

for (const transport of ["posix_net", "deno_net"] as const) {
  test(`${transport}: a dial that nobody answers waits, and ends with the abort`, async () => {
    await using world = await openTunWorld();
    using libc = openLibc();
    await using net = transport === "posix_net" ? posixNet(libc, "async") : denoNet(libc);
    const stop = new AbortController();
    let settled = false;
    const dialling = dial(net.dialer, SILENT, { signal: stop.signal }).finally(() =>
      settled = true
    );
    const ended = rejects(dialling, isReason);
    await world.pause(50);
    equal(settled, false);
    stop.abort(reason);
    await ended;
  });

  test(`${transport}: a dial with a time ends with it, and what has connected outlives it`, async () => {
    await using world = await openTunWorld();
    using libc = openLibc();
    await using net = transport === "posix_net" ? posixNet(libc, "async") : denoNet(libc);
    const { signal } = new AbortController();
    await rejects(dial(net.dialer, SILENT, { signal, timeoutMs: 60 }), (error) => {
      ok(error instanceof TtunError && error.kind === "timeout", String(error));
      ok(error.message.includes("10.1.1.2:4711: no answer within 0.06 s"), error.message);
      return true;
    });
    await using listener = await net.listen({ host: "127.0.0.1", port: 0 }, { signal });
    await using near = await dial(net.dialer, listener.addr, { signal, timeoutMs: 60 });
    await using far = await accept(listener, { signal });
    await world.pause(100);
    await write(far, utf8("late"));
    equal(await read(near, new Uint8Array(10)), 4);
  });

  test(`${transport}: where there is no way to the other end, it is unreachable`, async () => {
    await using _world = await openTunWorld();
    using libc = openLibc();
    await using net = transport === "posix_net" ? posixNet(libc, "async") : denoNet(libc);
    const { signal } = new AbortController();
    for (const host of ["192.0.2.1", "2001:db8::1"]) {
      await rejects(dial(net.dialer, { host, port: 1 }, { signal }), (error) => {
        ok(error instanceof TtunError && error.kind === "unreachable", String(error));
        ok(error.message.includes("no route"), error.message);
        return true;
      });
    }
  });

  test(`${transport}: an address that the machine does not have cannot be listened on`, async () => {
    await using _world = await openTunWorld();
    using libc = openLibc();
    await using net = transport === "posix_net" ? posixNet(libc, "async") : denoNet(libc);
    const { signal } = new AbortController();
    await rejects(later(() => net.listen({ host: "192.0.2.1", port: 0 }, { signal })), (error) => {
      ok(error instanceof TtunError && error.kind === "usage", String(error));
      return true;
    });
  });

  test(`${transport}: on a port of root's alone a user may not listen`, async () => {
    const script = `
      import { openLibc } from "${new URL("../../../ffi/linux/libc.ts", import.meta.url)}";
      import { becomeUser, findUser } from "${new URL(
      "../../../ffi/linux/user.ts",
      import.meta.url,
    )}";
      import { denoNet, posixNet } from "${new URL(
      "../../../tests/suite/real_nets.ts",
      import.meta.url,
    )}";
      const libc = openLibc();
      becomeUser(libc, findUser(libc, "nobody"));
      const net = ${transport === "posix_net" ? `posixNet(libc, "async")` : "denoNet(libc)"};
      try {
        net.listen({ host: "127.0.0.1", port: 81 }, { signal: new AbortController().signal });
        console.log("listens");
      } catch (error) {
        console.log(error.kind + ": " + error.message);
      }
      Deno.exit(0);`;
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `data:text/typescript,${encodeURIComponent(script)}`],
    }).output();
    const said = new TextDecoder().decode(stdout);
    ok(/^privilege: .*CAP_NET_BIND_SERVICE/.test(said), said + new TextDecoder().decode(stderr));
  });
}

test("posix_net: sent data that nobody acknowledges ends the connection after TCP_USER_TIMEOUT", async () => {
  requireOwnNamespace();
  using libc = openLibc();
  await using net = posixNet(libc, "async");
  const { signal } = new AbortController();
  await using listener = net.listen(net.at, { signal });
  const [here, there] = await Promise.all([
    dial(net.dialer, listener.addr, { signal }),
    accept(listener, { signal }),
  ]);
  await using _here = here;
  await using _there = there;
  here.setOptions({ userTimeoutMs: 100 });
  const lo = (state: string) =>
    new Deno.Command("ip", { args: ["link", "set", "lo", state] }).output();
  const reading = rejects(
    later(() => read(here, new Uint8Array(1))),
    (error) =>
      error instanceof TtunError && error.kind === "lost" && /sign of life/.test(error.message),
  );
  await lo("down");
  try {
    await write(here, utf8("into the void"));
    await reading;
  } finally {
    await lo("up");
  }
});

test("deno_net: a name that does not resolve is told as such", async () => {
  requireOwnNamespace(); // from where no name server can be reached
  await using net = denoNet(null);
  const { signal } = new AbortController();
  const host = "no-such-host.invalid";
  await rejects(dial(net.dialer, { host, port: 1 }, { signal }), (error) => {
    ok(error instanceof TtunError && error.kind === "name", String(error));
    ok(error.message.includes(host));
    return true;
  });
});

test("posix_net: a name that nobody has resolved before is a mistake of the caller's", async () => {
  using libc = openLibc();
  await using net = posixNet(libc, "async");
  const { signal } = new AbortController();
  await rejects(dial(net.dialer, { host: "localhost", port: 1 }, { signal }), { kind: "internal" });
  await rejects(later(() => net.listen({ host: "localhost", port: 0 }, { signal })), {
    kind: "internal",
  });
});
