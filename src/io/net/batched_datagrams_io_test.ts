import assert from "node:assert/strict";
import { LINUX_LIBC, openLibrary } from "../../../ffi/library.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { Libc, openLibc } from "../../../ffi/linux/libc.ts";
import { LIBC_TABLE } from "../../../ffi/linux/libc_table.ts";
import { test } from "../../../tests/check.ts";
import { type DatagramNet, datagramSuite } from "../../../tests/suite/datagram_suite.ts";
import { noDatagrams } from "../../contract/datagrams.ts";
import { Reactor } from "../reactor/reactor.ts";
import { openBatchedDatagrams } from "./batched_datagrams.ts";

const { signal } = new AbortController();

/** A kernel that does not cut datagrams, as where a device has no checksum offload. */
class WithoutSegments extends Libc {
  readonly #errno: number;

  constructor(errno: number) {
    super(openLibrary(LINUX_LIBC, LIBC_TABLE));
    this.#errno = errno;
  }

  override sendmsg(fd: number, header: Uint8Array<ArrayBuffer>, flags: number): number {
    return cutsDatagrams(header) ? -this.#errno : super.sendmsg(fd, header, flags);
  }
}

/** Looks for a control message SOL_UDP, UDP_SEGMENT, which the header's memory has behind it. */
function cutsDatagrams(header: Uint8Array): boolean {
  const view = new DataView(header.buffer);
  const control = 104; // behind msghdr, iovec and sockaddr (ffi/linux/datagram_message.ts)
  const end = control + view.getUint32(40, true);
  for (let at = control; at < end; at += (view.getUint32(at, true) + 7) & ~7) {
    if (view.getInt32(at + 8, true) === 17 && view.getInt32(at + 12, true) === 103) return true;
  }
  return false;
}

function netOf(libc: Libc, hosts: [string, string], said: string[] = []): DatagramNet {
  const reactor = new Reactor(libc, "async");
  return {
    open: (at, o) =>
      openBatchedDatagrams(reactor, at, { ...o, onDegraded: (words) => void said.push(words) }),
    host: hosts[0],
    otherHost: hosts[1],
    hasLocal: true,
    hasEcn: true,
    async [Symbol.asyncDispose]() {
      await reactor[Symbol.asyncDispose]();
      libc[Symbol.dispose]();
    },
  };
}

const V4 = ["127.0.0.1", "127.0.0.2"] as [string, string];

datagramSuite("datagrams of the kernel, IPv4", test, () => netOf(openLibc(), V4));
datagramSuite(
  "datagrams of the kernel, IPv6",
  test,
  () => netOf(openLibc(), ["::1", "::1"]),
);
datagramSuite(
  "datagrams of a kernel that cannot cut them (EIO)",
  test,
  () => netOf(new WithoutSegments(Errno.EIO), V4),
);
datagramSuite(
  "datagrams of a kernel that cannot cut them (EINVAL)",
  test,
  () => netOf(new WithoutSegments(Errno.EINVAL), V4),
);

test("that the kernel does not cut datagrams is said once, and nothing is lost", async () => {
  const said: string[] = [];
  await using net = netOf(new WithoutSegments(Errno.EIO), V4, said);
  using server = await net.open({ host: V4[0], port: 0 }, { signal });
  using client = await net.open({ host: V4[0], port: 0 }, { signal });
  const path = client.pathTo(server.addr);
  for (let i = 0; i < 2; i++) assert.equal(client.sendNow(new Uint8Array(1000), 100, path), 1000);
  assert.match(said.join("\n"), /^the kernel refused to cut datagrams \(UDP_SEGMENT: 5\)[^\n]*$/);
  const got = noDatagrams();
  let sizes = 0;
  while (sizes < 2000) {
    if (server.receiveNow(new Uint8Array(65_536), got)) sizes += got.size;
    else await new Promise<void>((resolve) => server.onReceivable(() => resolve()));
  }
  assert.equal(sizes, 2000);
});

test("a path that takes no datagrams is no reason to cut none for others", async () => {
  const said: string[] = [];
  await using net = netOf(openLibc(), V4, said);
  using server = await net.open({ host: V4[0], port: 0 }, { signal });
  using client = await net.open({ host: V4[0], port: 0 }, { signal });
  const bytes = new Uint8Array(1000);
  const paths = [
    client.pathTo({ host: V4[0], port: 0 }),
    // An address that this machine does not have any more.
    { remote: server.addr, local: "192.0.2.77" },
  ];
  for (const path of paths) assert.equal(client.sendNow(bytes, 100, path), 1000);
  assert.deepEqual(said, []);
});
