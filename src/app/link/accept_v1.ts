import { TtunError } from "../../base/errors.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import { HELLO_SIZE, V1ServerHandshake } from "../../core/link/v1/handshake.ts";
import { Stranger } from "../net/stranger.ts";
import { type AdmissionOptions, type Candidate, readSome } from "./candidate.ts";
import type { WireSecrets } from "./config.ts";
import { V1Life } from "./v1_liveness.ts";
import { V1Link } from "./v1_link.ts";
import { write } from "../loop/stream_io.ts";

/** Buffer size: small, as thousands of connections may wait. */
const BUFFER = 64;

/** Runs version 1's handshake as the server; `hello` and the bytes `behind` it have arrived. */
export async function acceptV1(
  stream: Connection,
  hello: Uint8Array,
  behind: Uint8Array,
  { secrets }: AdmissionOptions,
): Promise<Candidate> {
  await using stack = new AsyncDisposableStack();
  const nonce = secrets.rng(HELLO_SIZE);
  const handshake = stack.use(new V1ServerHandshake({ ...secrets.v1, nonce }));
  const buffer = new Uint8Array(BUFFER);
  let chunk: Uint8Array = new Uint8Array([...hello, ...behind]);
  for (;;) {
    for (const step of feedV1(handshake, chunk, secrets.mode)) {
      if (step.kind === "send") await write(stream, step.bytes);
      else if (step.kind === "authenticated") {
        const owned = stack.move();
        return {
          wire: "v1",
          key: "",
          admit: async () => {
            const { proof, session } = handshake.accept();
            await using unsent = new AsyncDisposableStack();
            const link = unsent.use(new V1Link(stream, session));
            const life = new V1Life(link);
            await write(stream, proof);
            unsent.move();
            return { wire: "v1", link, life };
          },
          refuse: () => Promise.resolve(),
          [Symbol.dispose]: () => startClose(owned),
        };
      }
    }
    chunk = buffer.subarray(0, await readSome(stream, buffer));
  }
}

/**
 * In `auto` a wrong proof makes a stranger: after a recorded hello, a refusal would distinguish
 * that hello from random bytes.
 */
function feedV1(handshake: V1ServerHandshake, chunk: Uint8Array, mode: WireSecrets["mode"]) {
  try {
    return handshake.feed(chunk);
  } catch (error) {
    if (mode === "auto" && error instanceof TtunError && error.kind !== "internal") {
      throw new Stranger(error.message);
    }
    throw error;
  }
}
