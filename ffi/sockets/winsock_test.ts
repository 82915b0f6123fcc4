import { deepEqual, equal, throws } from "node:assert/strict";
import { Winsock, type WinsockSymbols } from "./winsock.ts";

/** Functions that note their arguments and return what is set for them. */
function fakeWinsock() {
  const calls: unknown[][] = [];
  const results: Record<string, unknown> = { WSAGetLastError: 10_035 };
  const symbols = new Proxy({}, {
    get: (_, name: string) => (...args: unknown[]) => {
      calls.push([name, ...args]);
      return results[name] ?? 0;
    },
  }) as WinsockSymbols;
  let isClosed = false;
  const sockets = new Winsock(symbols, () => void (isClosed = true));
  return { sockets, calls, results, isClosed: () => isClosed };
}

Deno.test("Windows Sockets: a handle is a number, and INVALID_SOCKET the error's", () => {
  const { sockets, calls, results } = fakeWinsock();
  results.WSASocketW = 0x1_0ecn;
  equal(sockets.socket(23, 1), 0x1_0ec);
  deepEqual(calls, [["WSASocketW", 23, 1, 0, null, 0, 0x81]]);
  results.WSASocketW = results.accept = 0xffff_ffff_ffff_ffffn;
  equal(sockets.socket(23, 1), -10_035);
  equal(sockets.accept(7, new Uint8Array(28), new Uint8Array(4)), -10_035);
});

Deno.test("Windows Sockets: SOCKET_ERROR is the error's number, and other results are as they are", () => {
  const { sockets, calls, results } = fakeWinsock();
  results.recv = results.ioctlsocket = -1;
  equal(sockets.recv(7, new Uint8Array(3)), -10_035);
  equal(sockets.makeNonBlocking(7), -10_035);
  const [, handle, command, on] = calls.find(([name]) => name === "ioctlsocket")!;
  deepEqual([handle, command, on], [7n, 0x8004_667e, Uint8Array.of(1, 0, 0, 0)]);
  results.recv = 0;
  equal(sockets.recv(7, new Uint8Array(3)), 0);
  results.send = 3;
  equal(sockets.send(7, new Uint8Array(3)), 3);
  equal(sockets.error("recv", -10_054).message, "recv: ECONNRESET");
});

Deno.test("Windows Sockets: zones are numbers, and the end cleans up", () => {
  const { sockets, calls, isClosed } = fakeWinsock();
  equal(sockets.indexOf("12"), 12);
  equal(sockets.nameOf(12), "12");
  throws(() => sockets.indexOf("Ethernet"), /zone: EADDRNOTAVAIL/);
  sockets[Symbol.dispose]();
  deepEqual([calls.at(-1), isClosed()], [["WSACleanup"], true]);
});
