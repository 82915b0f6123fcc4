import { deepEqual, equal, throws } from "node:assert/strict";
import { parseCidr } from "../../src/base/addr.ts";
import { concat, fromHex, toHex } from "../../src/base/bytes.ts";
import { test } from "../../tests/check.ts";
import { fakeLibc } from "../../tests/fake/libc.ts";
import { NativeError } from "../native.ts";
import { Errno } from "./errno.ts";
import { Netlink } from "./netlink.ts";
import { packMessage } from "./netlink_message.ts";
import { readNetChanges } from "./netlink_monitor.ts";

/** A Libc whose netlink socket answers from a list and records the messages sent to it. */
function scripted(answers: ((sequence: number) => Uint8Array)[]) {
  const sent: string[] = [];
  let sequence = 0;
  const libc = fakeLibc(() => ({
    socket: () => 1000,
    close: () => 0,
    send: (_fd, bytes, length) => {
      const message = bytes as Uint8Array;
      equal(BigInt(message.length), BigInt(length));
      sequence = new DataView(message.buffer).getUint32(8, true);
      // From the type on, without the sequence number, as `strace ip` shows it.
      sent.push(`${toHex(message.subarray(4, 8))} ${toHex(message.subarray(16))}`);
      return message.length;
    },
    recv: (_fd, into) => {
      const answer = answers.shift()!(sequence);
      (into as Uint8Array).set(answer);
      return answer.length;
    },
  }));
  return { netlink: new Netlink(libc), sent };
}

const error = (errno: number) => (sequence: number) =>
  packMessage(2, 0, sequence, new Uint8Array(new Int32Array([-errno, 0, 0, 0, 0]).buffer));
const done = (sequence: number) => packMessage(3, 2, sequence, new Uint8Array(4));
const ack = error(0);

const local = (text: string) => ({ local: parseCidr(text) });

/** Messages of `ip` (iproute2 6.15) as recorded by strace. */
const KNOWN: [what: string, make: (netlink: Netlink) => void, sent: string][] = [
  [
    "ip address add 10.1.1.1/30",
    (netlink) => netlink.addAddress(5, local("10.1.1.1/30")),
    "14000506 021e000005000000" + "080002000a010101" + "080001000a010101",
  ],
  [
    "ip address add fc11::1/126 nodad",
    (netlink) => netlink.addAddress(5, local("fc11::1/126")),
    "14000506 0a7e020005000000" + "14000200fc110000000000000000000000000001" +
    "14000100fc110000000000000000000000000001",
  ],
  [
    "ip address add 10.9.0.1 peer 10.9.0.2/32",
    (netlink) => netlink.addAddress(5, { ...local("10.9.0.1/32"), peer: parseCidr("10.9.0.2") }),
    "14000506 0220000005000000" + "080002000a090001" + "080001000a090002",
  ],
  [
    "ip address del 10.1.1.1/30",
    (netlink) => netlink.removeAddress(5, local("10.1.1.1/30")),
    "15000500 021e000005000000" + "080002000a010101" + "080001000a010101",
  ],
  [
    "ip link set mtu 1400 up",
    (netlink) => netlink.setLink(5, { mtu: 1400, up: true }),
    "13000500 00000000050000000100000001000000" + "0800040078050000",
  ],
  [
    "ip link set down",
    (netlink) => netlink.setLink(5, { up: false }),
    "13000500 00000000050000000000000001000000",
  ],
  [
    "ip route add 10.20.0.0/16 proto static",
    (netlink) => netlink.addRoute({ index: 5, to: parseCidr("10.20.0.0/16") }),
    "18000506 02100000fe04fd0100000000" + "080001000a140000" + "0800040005000000",
  ],
  [
    "ip route add fd00:5::/64 proto static",
    (netlink) => netlink.addRoute({ index: 5, to: parseCidr("fd00:5::/64") }),
    "18000506 0a400000fe04000100000000" + "14000100fd000005000000000000000000000000" +
    "0800040005000000",
  ],
];

for (const [what, make, wanted] of KNOWN) {
  test(`netlink: ${what}`, () => {
    const { netlink, sent } = scripted([ack]);
    make(netlink);
    deepEqual(sent, [wanted]);
  });
}

test("netlink: a refusal is the kernel's errno", () => {
  const { netlink } = scripted([error(1), error(17)]);
  const isA = (name: "EPERM" | "EEXIST") => (thrown: unknown) =>
    thrown instanceof NativeError && thrown.is(name);
  throws(() => netlink.setLink(5, { up: true }), isA("EPERM"));
  throws(() => netlink.addAddress(5, local("10.1.1.1/30")), isA("EEXIST"));
});

test("netlink: an answer to an earlier request is passed over", () => {
  const stale = (sequence: number) => concat(error(1)(sequence - 1), ack(sequence));
  const { netlink } = scripted([(sequence) => error(1)(sequence + 7), stale]);
  netlink.setLink(5, { up: true });
});

test("netlink: addresses come in any number of datagrams, those of the link alone are told", () => {
  const address = (text: string) => (sequence: number) =>
    packMessage(20, 2, sequence, fromHex(text));
  const { netlink, sent } = scripted([
    (sequence) =>
      concat(
        address("0208800001000000" + "080001007f000001" + "080002007f000001")(sequence),
        address(
          "021e800005000000" + "080001000a010101" + "080002000a010101" + "0900030074756e3000",
        )(
          sequence,
        ),
        new Uint8Array(3),
      ),
    address("0220800005000000" + "080001000a090002" + "080002000a090001"),
    address("0a40800005000000" + "14000100fe800000000000000000000000000001"),
    done,
  ]);
  const text = ({ local, peer }: ReturnType<Netlink["addresses"]>[number]) =>
    [local, peer].map((cidr) => cidr && `${cidr.bytes.join(".")}/${cidr.prefix}`);
  deepEqual(netlink.addresses(5).map(text), [
    ["10.1.1.1/30", undefined],
    ["10.9.0.1/32", "10.9.0.2/32"],
    ["254.128.0.0.0.0.0.0.0.0.0.0.0.0.0.1/64", undefined],
  ]);
  deepEqual(sent, ["16000503 0000000005000000"]);
});

test("netlink: of the routes, the main table's to the link are told", () => {
  const route = (text: string) => (sequence: number) => packMessage(24, 2, sequence, fromHex(text));
  const { netlink, sent } = scripted([
    route("02100000fe04fd0100000000" + "080001000a140000" + "0800040005000000"),
    route("02100000fe04fd0100000000" + "080001000a150000" + "0800040006000000"),
    route("02200000ff02fe0200000000" + "080001000a010101" + "0800040005000000"),
    route("02000000fe04fd0100000000" + "0800040005000000"),
    route("02180000fe04000600000000" + "080001000a160000"),
    done,
  ]);
  deepEqual(netlink.routes(5).map(({ to: { bytes, prefix } }) => `${bytes.join(".")}/${prefix}`), [
    "10.20.0.0/16",
    "0.0.0.0/0",
  ]);
  deepEqual(sent, ["1a000503 00000000fe00000000000000" + "0800040005000000"]);
});

test("netlink: of the whole table, those that lead nowhere are told in their order", () => {
  const route = (text: string) => (sequence: number) => packMessage(24, 2, sequence, fromHex(text));
  const { netlink } = scripted([
    route("02100000fe04000600000000" + "080001000a140000"),
    route("02100000fe04fd0100000000" + "080001000a140000" + "0800040005000000"),
    route("02100000ff04000600000000" + "080001000a150000"),
    route("02100000fe04000300000000" + "080001000a160000" + "0800040005000000"),
    done,
  ]);
  deepEqual(
    netlink.allRoutes().map(({ isRefusal, index, to }) => [isRefusal, index, to.bytes.join(".")]),
    [[true, 0, "10.20.0.0"], [false, 5, "10.20.0.0"]],
  );
});

test("netlink: changes that the kernel had no room for are told as lost, and none as none", () => {
  const errnos: (keyof typeof Errno)[] = ["ENOBUFS", "EINTR", "EAGAIN", "EBADF"];
  using libc = fakeLibc((errno) => ({
    recv: () => {
      errno[0] = Errno[errnos.shift()!];
      return -1;
    },
  }));
  deepEqual(readNetChanges(libc, 1000), "lost");
  deepEqual(readNetChanges(libc, 1000), null);
  throws(() => readNetChanges(libc, 1000), (thrown: unknown) => thrown instanceof NativeError);
});
