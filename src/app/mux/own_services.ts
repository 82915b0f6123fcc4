import type { Addr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { startClose } from "../../base/start_close.ts";
import { OPENED, Refusal } from "../../core/mux/frames.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import { read, write } from "../loop/stream_io.ts";
import type { Quota } from "../net/connection_quota.ts";

/** Streams of services at a time: each holds what it has read, and a stream's queue. */
export const SERVICE_LIMITS = { total: 256, perAddress: 32 };

/** First byte of a speed test: what the client wants of the server. */
export const SpeedtestWish = { send: 0, receive: 1 } as const;

/** Whose stream it is, as `StreamOwner` has it. */
interface Client {
  readonly from: Addr;
  readonly account: string;
  readonly isConnected?: boolean;
}

/** A service with places of its own. */
export interface OwnService {
  readonly places: Quota;
  /** Serves a stream, which is closed when it settles. A TtunError ends the stream alone. */
  serve(stream: MuxStream, client: Client): Promise<void>;
}

/**
 * Answers a stream to one of ttun's own services (docs/wire/link-v2.md, "Services"). `places`: of
 * echo and speedtest; `meetings`: absent = there is no such service.
 */
export function serveOwnService(
  stream: MuxStream,
  name: string | undefined,
  { places, meetings, client }: {
    readonly places: Quota;
    readonly meetings?: OwnService | undefined;
    readonly client: Client;
  },
): void {
  const service = name === "echo"
    ? { places, serve: echo }
    : name === "speedtest"
    ? { places, serve: speedtest }
    : name === "meeting"
    ? meetings
    : undefined;
  if (service === undefined) return stream.answer(Refusal.notSupported, null);
  const place = takePlace(service.places, stream, client);
  if (place === null) return stream.answer(Refusal.generalFailure, null);
  stream.answer(OPENED, null);
  service.serve(stream, client).catch((error) => {
    if (!(error instanceof TtunError)) throw error; // a mistake; else the stream was reset
  }).finally(() => {
    place[Symbol.dispose]();
    startClose(stream);
  });
}

/** An evicted stream is reset: the account with most loses its most idle one. */
function takePlace(places: Quota, stream: MuxStream, { from, account }: Client): Disposable | null {
  const holder = {
    account,
    get lastActive() {
      return stream.activeAt;
    },
    evict: () => stream.reset(),
  };
  return places.take(from, holder);
}

const CHUNK = 64 * 1024;

async function echo(stream: MuxStream): Promise<void> {
  const bytes = new Uint8Array(CHUNK);
  for (let got; (got = await read(stream, bytes)) !== null;) {
    await write(stream, bytes.subarray(0, got));
  }
  await stream.closeWrite();
}

/** Bytes that a speed test sends, and where it reads to: nobody looks at either. */
const ZEROS = new Uint8Array(CHUNK);
const IGNORED = new Uint8Array(CHUNK);

/** Sends zeros until the client resets the stream, or takes what comes and says how much it was. */
async function speedtest(stream: MuxStream): Promise<void> {
  const wish = new Uint8Array(1);
  if (await read(stream, wish) === null) return;
  if (wish[0] === SpeedtestWish.send) { for (;;) await write(stream, ZEROS); }
  let count = 0;
  for (let got; (got = await read(stream, IGNORED)) !== null;) count += got;
  const answer = new DataView(new ArrayBuffer(8));
  answer.setBigUint64(0, BigInt(count));
  await write(stream, new Uint8Array(answer.buffer));
  await stream.closeWrite();
}
