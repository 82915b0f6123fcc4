import { plainHost } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { openControlLibc } from "../../../ffi/linux/libc.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { PlaneHandle } from "../plane/plane_handle.ts";
import { chooseIo } from "../platform/open_sockets.ts";
import { readVariable } from "../platform/variables.ts";
import { requirePermissions, socketNeeds } from "../platform/permissions.ts";
import type { PeerFlags, StunServerFlags } from "./options.ts";
import { addressesRefusal } from "./addresses.ts";
import type { PeerConfig } from "./plane_config.ts";

/** Variables of a key, which a user may expect to protect the pipe. */
const KEY_VARIABLES = ["TTUN_KEY", "TTUN_KEY_FILE"];

/**
 * Connects with the peer, and carries standard input and output; without a peer's address it prints
 * this machine's public one. @throws {TtunError}
 */
export async function runPeer(options: PeerFlags, context: RunContext): Promise<number> {
  const { localPort, remotePort, stun, keepAlive, fingerprint } = options;
  const [myIp, peerIp] = [options.myIp, options.peerIp].map((ip) =>
    ip === undefined ? undefined : plainHost(ip)
  );
  const deadlineMs = options.deadline * 1000;
  if (peerIp === undefined && stun === undefined) {
    throw new TtunError("usage", "Cannot connect: give the peer's public address by -peerip");
  }
  if (myIp === undefined && stun === undefined) {
    const words =
      "Cannot connect: give this machine's public address by -myip, or a STUN server by " +
      "--stun, which tells it";
    throw new TtunError("usage", words);
  }
  if (myIp !== undefined && peerIp !== undefined) {
    const refusal = addressesRefusal(myIp, peerIp);
    if (refusal !== null) throw refusal;
  }
  const given = KEY_VARIABLES.filter((name) => readVariable(name) !== undefined);
  if (given.length > 0) {
    const unused = `${given.join(" and ")} is not used: ttun peer takes no key`;
    context.log.warn(
      `${unused}; only its certificate tells who the other end is: compare the words that both ` +
        "ends log, or use --fingerprint",
    );
  }
  await runTask({
    kind: "pipe",
    ...{ myIp, peerIp, localPort, remotePort, stun, keepAlive, deadlineMs, fingerprint },
  }, context);
  return 0;
}

/** Tells others their public addresses. @throws {TtunError} */
export async function runStun({ listen }: StunServerFlags, context: RunContext): Promise<number> {
  await runTask({ kind: "stun", listen }, context);
  return 0;
}

async function runTask(task: PeerConfig["task"], context: RunContext): Promise<void> {
  const io = chooseIo("auto");
  if (io !== "ffi") {
    const words =
      "Cannot punch holes here: it takes native sockets, which are there on Linux so far";
    throw new TtunError("system", words);
  }
  requirePermissions(socketNeeds(io, "connect"), "client");
  const common = { aead: "auto", io, user: undefined, status: null, metrics: null } as const;
  using libc = openControlLibc();
  let printing = Promise.resolve();
  await using plane = new PlaneHandle<object, object>({ kind: "peer", task, ...common }, {
    libc,
    context,
  });
  await plane.run({
    prepare: () => Promise.resolve({}),
    print: (text) => {
      printing = printing.then(() => print(`${text}\n`, context.signal));
    },
  });
  await printing;
}
