import { equal, ok } from "node:assert/strict";
import { concat } from "../../base/bytes.ts";
import { FakeDarwin } from "../../../tests/fake/libsystem.ts";
import { deviceSuite, type DeviceWorld } from "../../../tests/suite/device_suite.ts";
import { openDarwinDevice } from "./darwin.ts";

/** Stands for the headers of a packet. */
const V4 = Uint8Array.of(0x45);

/** A utun in a kernel that is a fake; closing leaves no descriptor. */
function openWorld(): Promise<DeviceWorld> {
  const darwin = new FakeDarwin();
  const stop = new AbortController();
  const device = openDarwinDevice(
    { name: undefined, mtu: 1280, signal: stop.signal },
    () => darwin.lib,
  );
  return Promise.resolve({
    device,
    stop,
    send: (payload) => Promise.resolve(darwin.inject(concat(V4, payload))),
    packet: (payload) => concat(V4, payload),
    receive: () => Promise.resolve(darwin.written.shift()!.subarray(5)),
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    async [Symbol.asyncDispose]() {
      await device[Symbol.asyncDispose]();
      equal(darwin.open.size, 0, "descriptors are left");
      ok(darwin.closed, "the library is left open");
    },
  });
}

deviceSuite("utun", Deno.test, openWorld, { refuses: true });
