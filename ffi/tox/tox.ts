import { TtunError } from "../../src/base/errors.ts";
import { cString } from "../native.ts";
import { usize } from "../usize.ts";
import { ToxCallbacks } from "./tox_callbacks.ts";
import { friendFailure, newFailure } from "./tox_errors.ts";
import type { ToxcoreSymbols } from "./toxcore_table.ts";
import type { SendResult, ToxEvent, ToxServer, ToxSettings, ToxSizes } from "./tox_types.ts";

const PROXY_TYPES = { http: 1, socks5: 2 } as const;
const SAVEDATA_TOX_SAVE = 1;
const NO_FRIEND = 0xffff_ffff;
/** Values of Tox_Err_Friend_Custom_Packet. */
const PACKET_ERRORS: Readonly<Record<number, SendResult>> = {
  2: "offline",
  3: "offline",
  7: "full",
};

/** @throws {TtunError} */
export function openTox(call: ToxcoreSymbols, sizes: ToxSizes, settings: ToxSettings): Tox {
  const error = new Uint32Array(1);
  const options = call.tox_options_new(error);
  if (options === null) throw newFailure(2, settings);
  try {
    const strings = setOptions(call, options, settings);
    const pointer = call.tox_new(options, error);
    // A damaged identity is told beside an instance, which has a new one.
    if (pointer !== null && error[0] !== 0) call.tox_kill(pointer);
    // The library has pointers to the strings until here.
    if (pointer === null || error[0] !== 0 || strings.length < 0) {
      throw newFailure(error[0]!, settings);
    }
    return new Tox(call, pointer, sizes);
  } finally {
    call.tox_options_free(options);
  }
}

/** Returns memory that the options point to. */
function setOptions(
  call: ToxcoreSymbols,
  options: Deno.PointerObject,
  { savedata, udp, ipv6, localDiscovery, udpPorts, relayPort, proxy }: ToxSettings,
): readonly Uint8Array[] {
  const owned: Uint8Array[] = [];
  call.tox_options_set_ipv6_enabled(options, ipv6);
  // Datagrams would go around the proxy.
  call.tox_options_set_udp_enabled(options, udp && proxy === undefined);
  call.tox_options_set_local_discovery_enabled(options, localDiscovery && proxy === undefined);
  if (udpPorts !== undefined) {
    call.tox_options_set_start_port(options, udpPorts.first);
    call.tox_options_set_end_port(options, udpPorts.last);
  }
  call.tox_options_set_tcp_port(options, relayPort ?? 0);
  if (proxy !== undefined) {
    const host = cString(proxy.host);
    owned.push(host);
    call.tox_options_set_proxy_type(options, PROXY_TYPES[proxy.kind]);
    call.tox_options_set_proxy_host(options, host);
    call.tox_options_set_proxy_port(options, proxy.port);
  }
  if (savedata !== undefined) {
    owned.push(savedata);
    call.tox_options_set_savedata_type(options, SAVEDATA_TOX_SAVE);
    call.tox_options_set_savedata_data(options, savedata, usize(savedata.length));
  }
  return owned;
}

/**
 * An instance of libtoxcore. All calls come from the thread that has made it; none but `iterate`
 * tells events. Dispose once: later calls throw.
 */
export class Tox implements Disposable {
  readonly sizes: ToxSizes;
  readonly #call: ToxcoreSymbols;
  readonly #callbacks: ToxCallbacks;
  readonly #error = new Uint32Array(1);
  #pointer: Deno.PointerObject | null;

  constructor(call: ToxcoreSymbols, pointer: Deno.PointerObject, sizes: ToxSizes) {
    this.#call = call;
    this.#pointer = pointer;
    this.sizes = sizes;
    this.#callbacks = new ToxCallbacks(call, pointer, sizes);
  }

  /** Reads and writes sockets, and returns what has happened, in its order. */
  iterate(): readonly ToxEvent[] {
    this.#call.tox_iterate(this.#alive(), null);
    return this.#callbacks.take();
  }

  /** Milliseconds after which `iterate` wants to be called again, at the latest. */
  get interval(): number {
    return this.#call.tox_iteration_interval(this.#alive());
  }

  /** The identity and the friends; it holds the private key. */
  get savedata(): Uint8Array<ArrayBuffer> {
    const data = new Uint8Array(Number(this.#call.tox_get_savedata_size(this.#alive())));
    this.#call.tox_get_savedata(this.#alive(), data);
    return data;
  }

  /** The Tox ID: public key, nospam and checksum. */
  get address(): Uint8Array<ArrayBuffer> {
    const address = new Uint8Array(this.sizes.address);
    this.#call.tox_self_get_address(this.#alive(), address);
    return address;
  }

  /** The key by which others bootstrap from this node. */
  get dhtKey(): Uint8Array<ArrayBuffer> {
    const key = new Uint8Array(this.sizes.publicKey);
    this.#call.tox_self_get_dht_id(this.#alive(), key);
    return key;
  }

  /** Null where UDP is off. */
  get udpPort(): number | null {
    const port = this.#call.tox_self_get_udp_port(this.#alive(), this.#error);
    return this.#error[0] === 0 ? port : null;
  }

  /** Asks a node for others. False = its address is none. */
  bootstrap({ host, port, publicKey }: ToxServer): boolean {
    this.#requireKey(publicKey);
    return this.#call.tox_bootstrap(
      this.#alive(),
      cString(host),
      port,
      publicKey,
      this.#error,
    );
  }

  /** Uses a relay. False = its address is none. */
  addRelay({ host, port, publicKey }: ToxServer): boolean {
    this.#requireKey(publicKey);
    return this.#call.tox_add_tcp_relay(
      this.#alive(),
      cString(host),
      port,
      publicKey,
      this.#error,
    );
  }

  /** Sends a friend request, until it is answered. Returns the friend. @throws {TtunError} usage */
  addFriend(address: Uint8Array<ArrayBuffer>, message: Uint8Array<ArrayBuffer>): number {
    if (address.length !== this.sizes.address) throw friendFailure(6);
    const length = usize(message.length);
    const call = this.#call;
    const friend = call.tox_friend_add(this.#alive(), address, message, length, this.#error);
    if (this.#error[0] !== 0) throw friendFailure(this.#error[0]!);
    return friend;
  }

  /** Accepts whoever has the key; a friend that is there already is returned. @throws {TtunError} */
  acceptFriend(publicKey: Uint8Array<ArrayBuffer>): number {
    const known = this.friendOf(publicKey);
    if (known !== null) return known;
    const friend = this.#call.tox_friend_add_norequest(this.#alive(), publicKey, this.#error);
    if (this.#error[0] !== 0) throw friendFailure(this.#error[0]!);
    return friend;
  }

  friendOf(publicKey: Uint8Array<ArrayBuffer>): number | null {
    this.#requireKey(publicKey);
    const friend = this.#call.tox_friend_by_public_key(this.#alive(), publicKey, this.#error);
    return this.#error[0] !== 0 || friend === NO_FRIEND ? null : friend;
  }

  get friends(): readonly number[] {
    const list = new Uint32Array(Number(this.#call.tox_self_get_friend_list_size(this.#alive())));
    // Empty memory has no address.
    if (list.length > 0) this.#call.tox_self_get_friend_list(this.#alive(), list);
    return [...list];
  }

  /** Does nothing if there is no such friend. */
  deleteFriend(friend: number): void {
    this.#call.tox_friend_delete(this.#alive(), friend, this.#error);
  }

  /**
   * Sends a lossless packet: its first byte is 160 to 191. It is borrowed for the call.
   * @throws {TtunError} internal, if it is too long or no such packet
   */
  send(friend: number, packet: Uint8Array<ArrayBuffer>): SendResult {
    const sent = this.#call.tox_friend_send_lossless_packet(
      this.#alive(),
      friend,
      packet,
      usize(packet.length),
      this.#error,
    );
    if (sent) return "sent";
    const result = PACKET_ERRORS[this.#error[0]!];
    if (result !== undefined) return result;
    throw new TtunError(
      "internal",
      `A packet of ${packet.length} bytes is not one that Tox can send (error ${this.#error[0]})`,
    );
  }

  #alive(): Deno.PointerObject {
    if (this.#pointer === null) throw new TtunError("internal", "The Tox instance is closed");
    return this.#pointer;
  }

  /** The library reads as many bytes as a key has. */
  #requireKey(key: Uint8Array): void {
    if (key.length === this.sizes.publicKey) return;
    throw new TtunError("internal", `A Tox key has ${this.sizes.publicKey} bytes`);
  }

  [Symbol.dispose](): void {
    const pointer = this.#pointer;
    if (pointer === null) return;
    this.#pointer = null;
    // Friends are told, so they need not wait for a time-out. Callbacks may be called until then.
    this.#call.tox_kill(pointer);
    this.#callbacks[Symbol.dispose]();
  }
}

/** An instance as others see it: tests have one of their own. */
export type ToxInstance = Pick<Tox, keyof Tox>;
