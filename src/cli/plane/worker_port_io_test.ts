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

test("rules and keys that come before there is anybody to use them are used as soon as there is", async () => {
  const { port1, port2 } = new MessageChannel();
  const port = new PlanePort<null>(port1 as NodePort as unknown as MessagePort, null);
  try {
    const rules = (port: number) => ({ allow: [], deny: [], permitListen: [{ port }] });
    for (const number of [1, 2]) port2.postMessage({ kind: "rules", rules: rules(number) });
    port2.postMessage({ kind: "keys", keys: [] });
    port2.postMessage({ kind: "start", with: null });
    await port.start;
    const used: unknown[] = [];
    port.onRules((given) => used.push(given));
    port.onKeys((given) => used.push(given));
    assert.deepEqual(used, [rules(2), []]);
    port2.postMessage({ kind: "rules", rules: rules(3) });
    port2.postMessage({ kind: "stop" });
    await port.stop;
    assert.deepEqual(used.slice(2), [rules(3)]);
  } finally {
    port1.close();
    port2.close();
  }
});
