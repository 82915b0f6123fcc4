import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { MemoryNet } from "../../../tests/fake/memory.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { TtunError } from "../../base/errors.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import { read } from "../loop/stream_io.ts";
import { openCandidateDialer } from "./candidate_dialer.ts";

const AT = { host: "192.0.2.1", port: 7000 };

Deno.test("a machine that takes connections and never answers is given up at the deadline", async () => {
  const clock = new FakeClock();
  const net = new MemoryNet({ clock });
  const { signal } = new AbortController();
  await using _listener = net.listen(AT, { signal });
  const dialer = net.dialer("192.0.2.2");
  const options = { candidates: [AT], dialer, clock, rng: seededRng(1), deadlineMs: 3000 };
  const { reach } = openCandidateDialer(options);
  const met: Connection[] = [];
  const began = clock.now();
  const failed = reach<Connection>({
    signal,
    isLeaving: false,
    meet: async (stream) => {
      met.push(stream);
      await read(stream, new Uint8Array(1));
      return stream;
    },
    discard: startClose,
  }).then(() => null, (error) => error);
  const error = await clock.until(failed);
  assert(error instanceof TtunError);
  assert.equal(error.kind, "timeout");
  assert.match(error.message, /Cannot reach the peer within 3 s/);
  assert.equal(clock.now() - began, 3000);
  assert.equal(met.length, 1);
  assert.throws(() => met[0]!.readNow(new Uint8Array(1)));
});
