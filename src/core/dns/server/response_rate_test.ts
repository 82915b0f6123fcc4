import assert from "node:assert/strict";
import { ResponseRate } from "./response_rate.ts";

Deno.test("response rate: a network that asks much is told to come over TCP, others are not", () => {
  const rate = new ResponseRate();
  const ask = (host: string, at: number, times: number) =>
    Array.from({ length: times }, () => rate.allow(host, at));
  assert(ask("192.0.2.1", 0, 100).every((verdict) => verdict === "answer"));
  assert.deepEqual(ask("192.0.2.200", 10, 4), ["truncate", "drop", "truncate", "drop"]);
  assert.deepEqual(ask("192.0.3.1", 10, 1), ["answer"]);
  assert.deepEqual(ask("2001:db8::1", 10, 100).filter((one) => one !== "answer"), []);
  assert.notEqual(ask("2001:db8:0:1::1", 10, 1)[0], "answer");
  assert.deepEqual(ask("192.0.2.1", 1000, 1), ["answer"]);
});

Deno.test("response rate: forged addresses of the whole world take a bounded place", () => {
  const rate = new ResponseRate();
  const verdicts = Array.from(
    { length: 20_000 },
    (_, i) => rate.allow(`10.${i >> 8}.${i & 255}.1`, 0),
  );
  assert.equal(verdicts.filter((one) => one === "answer").length, 10_000);
});
