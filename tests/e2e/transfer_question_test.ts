/** A receiver on a terminal, whose sender leaves. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { expectCode, MOST_MS, TransferWorld } from "./transfer_ends.ts";

/** Runs a command on a terminal: what it prints goes to standard output, keys come from the input. */
const TERMINAL = `
import os, pty, select, sys
pid, terminal = pty.fork()
if pid == 0:
  os.execvp(sys.argv[1], sys.argv[1:])
while True:
  ready = select.select([0, terminal], [], [])[0]
  try:
    if terminal in ready:
      os.write(1, os.read(terminal, 1000))
    elif 0 in ready:
      os.write(terminal, os.read(0, 1000))
  except OSError:
    break # nobody has the terminal any more
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

test("the receiver's question ends with words when the sender leaves, and the next one is asked", async () => {
  await using world = new TransferWorld();
  world.write("one", "content");
  const wrap = ["python3", "-c", TERMINAL];
  const how = { wrap, stdin: "piped" } as const;
  const { end: receiver, address } = await world.listen(["receive", "-o", "out"], how);
  const first = world.start(["send", "one", "-s", address]);
  await receiver.waitFor(/Take this\? \[y\/N\]/, MOST_MS);
  first.signal("SIGINT");
  await first.status;
  await receiver.waitFor(/The question is over: /, MOST_MS);
  const seen = receiver.output.split("\n").length;
  const second = world.start(["send", "one", "-s", address]);
  await receiver.waitFor(/Take this\? \[y\/N\]/, MOST_MS, seen);
  await receiver.write("y");
  await expectCode(second, 0);
  await expectCode(receiver, 0);
  assert.equal(Deno.readTextFileSync(`${world.path}/out/one`), "content");
});
