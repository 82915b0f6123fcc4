import assert from "node:assert/strict";
import { MessageChannel, type MessagePort as NodePort } from "node:worker_threads";
import { test } from "../../../tests/check.ts";
import { PlanePort } from "./worker_port.ts";

test("a status that is asked for before there are counters is told as soon as there are", async () => {
  const { port1, port2 } = new MessageChannel();
  const port = new PlanePort<null>(port1 as NodePort as unknown as MessagePort, null);
  try {
    port2.postMessage({ kind: "status" });
    port2.postMessage({ kind: "start", with: null });
    await port.start; // both have come
    let told = 0;
    port.onStatus(() => told++);
    assert.equal(told, 1);
    port2.postMessage({ kind: "status" });
    port2.postMessage({ kind: "stop", onPurpose: false });
    await port.stop;
    assert.equal(port.isEndedOnPurpose, false);
    assert.equal(told, 2);
  } finally {
    port1.close();
    port2.close();
  }
});
