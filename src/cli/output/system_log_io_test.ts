import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { Process } from "../../../tests/process.ts";
import { SystemLog } from "./system_log.ts";

/** Prints each line that comes, as a daemon of syslog takes it. */
const DAEMON = `
import os, socket, sys
if os.path.exists(sys.argv[1]): os.unlink(sys.argv[1])
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("listening", flush=True)
while True: print("heard", s.recv(4096).decode(), flush=True)
`;

const line = (message: string, level: "info" | "debug" = "info") =>
  ({ time: Date.now(), level, message, fields: {} }) as const;

test({
  name: "the system's log gets lines of the level, also from a daemon that was started anew",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "ttun-test-" });
    await using stack = new AsyncDisposableStack();
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const path = `${folder}/log`;
    using nobody = new SystemLog("info", path);
    assert.ok(!nobody.isConnected);
    nobody.print(line("lost"));
    const start = async () => {
      const daemon = stack.use(new Process("python3", ["-c", DAEMON, path]));
      await daemon.waitFor(/listening/);
      return daemon;
    };
    const daemon = await start();
    using log = new SystemLog("info", path);
    assert.ok(log.isConnected);
    log.print(line("a detail", "debug"));
    log.print(line("first"));
    await daemon.waitFor(new RegExp(`heard <142>.* ttun\\[${Deno.pid}\\]: first`));
    assert.doesNotMatch(daemon.output, /a detail/);
    daemon.signal("SIGKILL");
    await daemon.status;
    log.print(line("lost"));
    const next = await start();
    log.print(line("second"));
    nobody.print(line("third"));
    await next.waitFor(/: second[^]*: third/);
  },
});
