import { concat } from "../../src/base/bytes.ts";
import { FakeDevice } from "../fake/device.ts";
import { deviceSuite, type DeviceWorld } from "./device_suite.ts";

/** Stands for the headers of a packet. */
const HEADER = Uint8Array.of(0x45);

function openFake(): Promise<DeviceWorld> {
  const device = new FakeDevice();
  const stop = new AbortController();
  stop.signal.addEventListener("abort", () => device.lose(stop.signal.reason));
  return Promise.resolve({
    device,
    stop,
    send: (payload) => Promise.resolve(device.inject(concat(HEADER, payload))),
    packet: (payload) => concat(HEADER, payload),
    receive: () => Promise.resolve(device.written.shift()!.subarray(HEADER.length)),
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    [Symbol.asyncDispose]: () => device[Symbol.asyncDispose](),
  });
}

deviceSuite("fake device", Deno.test, openFake, { refuses: false });
