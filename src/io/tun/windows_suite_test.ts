import { equal, ok } from "node:assert/strict";
import { concat } from "../../base/bytes.ts";
import { FakeWindows } from "../../../tests/fake/wintun.ts";
import { deviceSuite, type DeviceWorld } from "../../../tests/suite/device_suite.ts";
import { openWindowsDevice } from "./windows.ts";

/** Stands for the headers of a packet. */
const V4 = Uint8Array.of(0x45);

/** A Wintun adapter in a Windows that is a fake; closing leaves no handle and no packet lent. */
function openWorld(): Promise<DeviceWorld> {
  const windows = new FakeWindows();
  const stop = new AbortController();
  const device = openWindowsDevice(
    { name: undefined, mtu: 1280, signal: stop.signal },
    () => windows.lib,
  );
  return Promise.resolve({
    device,
    stop,
    send: (payload) => Promise.resolve(windows.inject(concat(V4, payload))),
    packet: (payload) => concat(V4, payload),
    receive: () => Promise.resolve(windows.written.shift()!.subarray(1)),
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    async [Symbol.asyncDispose]() {
      await device[Symbol.asyncDispose]();
      equal(windows.lent, 0, "packets were not released");
      equal(windows.open.size, 0, "handles are left");
      ok(windows.closed, "the libraries are left open");
    },
  });
}

deviceSuite("wintun", Deno.test, openWorld, { refuses: true });
