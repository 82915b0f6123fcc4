import { takeServer } from "../peer/take_ends.ts";
import type { Probe } from "../../app/system/link_probe.ts";
import { pskKey } from "../../core/link/v1/kdf.ts";
import { openControlLibc } from "../../../ffi/linux/libc.ts";
import type { RunContext } from "../command/context.ts";
import { progress } from "../output/progress.ts";
import { print } from "../output/stdout.ts";
import { PlaneHandle } from "../plane/plane_handle.ts";
import { chooseIo } from "../platform/open_sockets.ts";
import { requirePermissions, socketNeeds } from "../platform/permissions.ts";
import { resolveKey } from "../secrets/key_source.ts";
import { linkSecret } from "../secrets/link_secret.ts";
import { hopKeyFor } from "../transport/hop_key.ts";
import { LONGEST_REKEY } from "../command/session_options.ts";
import type { PingFlags, SpeedtestFlags } from "./options.ts";
import type { MeasureConfig, MeasureStart } from "./plane_config.ts";

export function runPing(options: PingFlags, context: RunContext): Promise<number> {
  const { count, interval: intervalMs } = options;
  return runMeasure(options, { kind: "ping", count, intervalMs }, context);
}

export function runSpeedtest(options: SpeedtestFlags, context: RunContext): Promise<number> {
  return runMeasure(options, { kind: "speedtest", seconds: options.seconds }, context);
}

/** Measures the link with a server, and prints the result. @throws {TtunError} */
async function runMeasure(
  options: PingFlags | SpeedtestFlags,
  probe: Probe,
  context: RunContext,
): Promise<number> {
  options = await takeServer(options, context);
  const io = chooseIo(options.io);
  requirePermissions(socketNeeds(io, "connect"), "client");
  const { key } = await resolveKey(options, context);
  const secret = linkSecret(key);
  secret.catch(() => {}); // awaited when the data plane is ready, if ever
  const config: MeasureConfig = {
    kind: "measure",
    server: options.server,
    probe,
    ...hopKeyFor([options.server], key),
    psk: pskKey(key),
    wire: "v2", // version 1 has no streams
    rekeySeconds: LONGEST_REKEY,
    cipher: options.cipher,
    aead: options.aead,
    io,
    mptcp: options.mptcp,
    congestion: options.congestion,
    segmentSize: options.segmentSize,
    user: undefined,
    status: null,
    metrics: null,
  };
  using libc = io === "ffi" ? openControlLibc() : null;
  const line = progress();
  let printing = Promise.resolve();
  await using plane = new PlaneHandle<object, MeasureStart>(config, { libc, context });
  await plane.run({
    prepare: async () => ({ s: await secret }),
    print: (text, isProgress) => {
      if (isProgress) return line.show(text);
      line.clear();
      printing = printing.then(() => print(`${text}\n`, context.signal));
    },
  });
  line.clear();
  await printing;
  context.signal.throwIfAborted();
  return 0;
}
