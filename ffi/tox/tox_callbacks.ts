import type { ToxcoreSymbols } from "./toxcore_table.ts";
import type { ToxConnection, ToxEvent, ToxSizes } from "./tox_types.ts";

const CONNECTIONS: readonly ToxConnection[] = ["none", "tcp", "udp"];

/**
 * The callbacks of an instance, which keep what they are told until the iteration is over: from
 * within one no call of the library is made, and nothing is thrown. Dispose when the instance is
 * killed, never before: the library calls a closed one.
 */
export class ToxCallbacks implements Disposable {
  #events: ToxEvent[] = [];
  #failure: { readonly error: unknown } | null = null;
  readonly #callbacks: Disposable[];

  constructor(call: ToxcoreSymbols, tox: Deno.PointerObject, sizes: ToxSizes) {
    const self = new Deno.UnsafeCallback(
      { parameters: ["pointer", "u32", "pointer"], result: "void" },
      (_tox, connection) =>
        this.#take(() => ({ kind: "self", connection: connectionOf(connection) })),
    );
    const request = new Deno.UnsafeCallback(
      { parameters: ["pointer", "pointer", "pointer", "usize", "pointer"], result: "void" },
      (_tox, publicKey, message, length) =>
        this.#take(() => ({
          kind: "request",
          publicKey: copyOf(publicKey, sizes.publicKey),
          message: copyOf(message, Number(length)),
        })),
    );
    const friend = new Deno.UnsafeCallback(
      { parameters: ["pointer", "u32", "u32", "pointer"], result: "void" },
      (_tox, friend, connection) =>
        this.#take(() => ({ kind: "friend", friend, connection: connectionOf(connection) })),
    );
    const packet = new Deno.UnsafeCallback(
      { parameters: ["pointer", "u32", "pointer", "usize", "pointer"], result: "void" },
      (_tox, friend, bytes, length) =>
        this.#take(() => ({ kind: "packet", friend, bytes: copyOf(bytes, Number(length)) })),
    );
    call.tox_callback_self_connection_status(tox, self.pointer);
    call.tox_callback_friend_request(tox, request.pointer);
    call.tox_callback_friend_connection_status(tox, friend.pointer);
    call.tox_callback_friend_lossless_packet(tox, packet.pointer);
    this.#callbacks = [self, request, friend, packet].map((callback) => ({
      [Symbol.dispose]: () => callback.close(),
    }));
  }

  /** Returns what happened since the last call. @throws what a callback failed with */
  take(): readonly ToxEvent[] {
    const [events, failure] = [this.#events, this.#failure];
    this.#events = [];
    this.#failure = null;
    if (failure !== null) throw failure.error;
    return events;
  }

  /** An exception would come out of the iteration, in the midst of the library's work. */
  #take(event: () => ToxEvent): void {
    try {
      this.#events.push(event());
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  [Symbol.dispose](): void {
    for (const callback of this.#callbacks) callback[Symbol.dispose]();
  }
}

function connectionOf(number: number): ToxConnection {
  return CONNECTIONS[number] ?? "none";
}

/** The memory is the library's, and valid during the callback alone. */
function copyOf(pointer: Deno.PointerValue, length: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(length);
  if (pointer !== null && length > 0) Deno.UnsafePointerView.copyInto(pointer, copy);
  return copy;
}
